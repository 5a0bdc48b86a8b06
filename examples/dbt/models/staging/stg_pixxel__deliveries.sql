select
    delivery_id,
    catalog_id,
    store_id,
    status,
    {{ is_status('status', ['SUCCESS', 'SUCCESSFUL', 'COMPLETED']) }} as is_delivered,
    {{ is_status('status', ['FAILED']) }} as is_failed,
    task_id is not null as is_automatic,
    cast(created_at as {{ dbt.type_timestamp() }}) as requested_at,
    cast(updated_at as {{ dbt.type_timestamp() }}) as updated_at
from {{ source('pixxel', 'deliveries') }}
where {{ not_deleted() }}
