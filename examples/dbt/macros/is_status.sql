{# The API writes some statuses in another case or with older words, such as SUCCESSFUL. #}
{% macro is_status(column, words) -%}
    upper(coalesce({{ column }}, '')) in ('{{ words | join("', '") }}')
{%- endmacro %}
