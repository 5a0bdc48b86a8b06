-- One row for each owned image without a successful delivery, and what became of the last request.
with deliveries as (

    select
        deliveries.*,
        stores.store,
        row_number() over (
            partition by deliveries.catalog_id
            order by
                -- warehouses differ in where nulls are sorted
                case when deliveries.requested_at is null then 1 else 0 end,
                deliveries.requested_at desc,
                deliveries.delivery_id desc
        ) as newest_first
    from {{ ref('stg_pixxel__deliveries') }} as deliveries
    left join {{ ref('stg_pixxel__stores') }} as stores
        on deliveries.store_id = stores.store_id
    {% if var('pixxel_store') -%}
    where stores.store = '{{ var("pixxel_store") | replace("'", "''") }}'
    {%- endif %}

),

by_image as (

    select
        catalog_id,
        max(case when is_delivered then 1 else 0 end) as is_delivered,
        sum(case when is_failed then 1 else 0 end) as failed_deliveries,
        sum(case when is_failed or is_delivered then 0 else 1 end) as pending_deliveries,
        max(case when newest_first = 1 then status end) as last_status,
        max(case when newest_first = 1 then store end) as last_store,
        max(requested_at) as last_requested_at
    from deliveries
    group by catalog_id

)

select
    owned_images.*,
    case
        when by_image.catalog_id is null then 'not requested'
        when by_image.pending_deliveries > 0 then 'pending'
        else 'failed'
    end as reason,
    coalesce(by_image.failed_deliveries, 0) as failed_deliveries,
    coalesce(by_image.pending_deliveries, 0) as pending_deliveries,
    by_image.last_status,
    by_image.last_store,
    by_image.last_requested_at
from {{ ref('owned_images') }} as owned_images
left join by_image
    on owned_images.catalog_id = by_image.catalog_id
where coalesce(by_image.is_delivered, 0) = 0
