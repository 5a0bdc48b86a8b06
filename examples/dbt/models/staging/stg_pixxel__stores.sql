select
    id as store_id,
    name as store,
    type as cloud
from {{ source('pixxel', 'stores') }}
where {{ not_deleted() }}
