select
    id as catalog_id,
    task_id as order_task_id,
    item_id,
    collection as collection_id,
    cast(datetime as {{ dbt.type_timestamp() }}) as acquired_at,
    cast(area as {{ dbt.type_float() }}) as area_km2,
    cast(cloud_cover as {{ dbt.type_float() }}) as cloud_cover_percent,
    cast(created_at as {{ dbt.type_timestamp() }}) as owned_since,
    cast(updated_at as {{ dbt.type_timestamp() }}) as updated_at
from {{ source('pixxel', 'catalogs') }}
where {{ not_deleted() }}
