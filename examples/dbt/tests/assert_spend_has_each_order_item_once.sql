-- The sums by project must be those of the order items that cost something.
with spend as (
    select sum(paid_amount + refunded_amount + unpaid_amount) as amount
    from {{ ref('spend_by_project') }}
),

items as (
    select sum(amount) as amount
    from {{ ref('stg_pixxel__order_items') }}
    where
        not {{ is_status('status', ['DRAFT', 'CANCELLED', 'FAILED']) }}
        or {{ is_status('payment_status', ['PAID', 'PARTIAL-MONTHLY', 'PARTIAL-REFUND', 'REFUND']) }}
)

select *
from spend
cross join items
where abs(coalesce(spend.amount, 0) - coalesce(items.amount, 0)) > 0.01
