select
    id as order_task_id,
    order_item_id,
    order_id,
    status
from {{ source('pixxel', 'order_tasks') }}
where {{ not_deleted() }}
