{# A loader marks rows that are gone from the API; it deletes them if it is set so. #}
{% macro not_deleted() -%}
    _sdc_deleted_at is null
{%- endmacro %}
