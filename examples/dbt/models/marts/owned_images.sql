-- One row for each image that the workspace owns, with the order that it came from.
select
    catalogs.catalog_id,
    catalogs.item_id,
    catalogs.collection_id,
    catalogs.acquired_at,
    catalogs.area_km2,
    catalogs.cloud_cover_percent,
    catalogs.owned_since,
    order_tasks.order_item_id,
    coalesce(order_items.order_id, order_tasks.order_id) as order_id,
    order_items.project_id,
    projects.project
from {{ ref('stg_pixxel__catalogs') }} as catalogs
left join {{ ref('stg_pixxel__order_tasks') }} as order_tasks
    on catalogs.order_task_id = order_tasks.order_task_id
left join {{ ref('stg_pixxel__order_items') }} as order_items
    on order_tasks.order_item_id = order_items.order_item_id
left join {{ ref('stg_pixxel__projects') }} as projects
    on order_items.project_id = projects.project_id
