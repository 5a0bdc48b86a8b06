select
    id as order_item_id,
    order_id,
    project_id,
    name,
    type,
    status,
    payment_status,
    cast(area as {{ dbt.type_float() }}) as area_km2,
    cast(final_amount as {{ dbt.type_numeric() }}) as amount,
    cast(tokens_used as {{ dbt.type_numeric() }}) as tokens,
    cast(created_at as {{ dbt.type_timestamp() }}) as ordered_at
from {{ source('pixxel', 'order_items') }}
where {{ not_deleted() }}
