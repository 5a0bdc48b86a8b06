select
    id as project_id,
    coalesce(title, name) as project
from {{ source('pixxel', 'projects') }}
where {{ not_deleted() }}
