select
    id as order_task_id,
    order_item_id,
    order_id,
    status,
    cast(tokens_used as {{ dbt.type_numeric() }}) as tokens
from {{ source('pixxel', 'order_tasks') }}
where {{ not_deleted() }}
