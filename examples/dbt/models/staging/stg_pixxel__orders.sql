select
    id as order_id,
    status as payment_status,
    cast(total_amount as {{ dbt.type_numeric() }}) as amount,
    cast(paid_at as {{ dbt.type_timestamp() }}) as paid_at,
    cast(created_at as {{ dbt.type_timestamp() }}) as ordered_at
from {{ source('pixxel', 'orders') }}
where {{ not_deleted() }}
