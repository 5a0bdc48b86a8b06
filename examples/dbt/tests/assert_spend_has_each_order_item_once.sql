-- The sums by project must be those of the order items.
with spend as (
    select
        sum(order_items) as order_items,
        sum(paid_amount + refunded_amount + unpaid_amount) as amount
    from {{ ref('spend_by_project') }}
),

items as (
    select
        count(*) as order_items,
        sum(amount) as amount
    from {{ ref('stg_pixxel__order_items') }}
    where not {{ is_status('status', ['DRAFT']) }}
)

select *
from spend
cross join items
where
    coalesce(spend.order_items, 0) <> items.order_items
    or abs(coalesce(spend.amount, 0) - coalesce(items.amount, 0)) > 0.01
