-- One row for each project with order items. Amounts are in the currency of the workspace.
select
    order_items.project_id,
    max(projects.project) as project,
    count(distinct order_items.order_id) as orders,
    count(*) as order_items,
    {% for name, words in {
        'paid': ['PAID', 'PARTIAL-MONTHLY', 'PARTIAL-REFUND'],
        'refunded': ['REFUND'],
    }.items() -%}
    coalesce(sum(case when {{ is_status('order_items.payment_status', words) }}
        then order_items.amount end), 0) as {{ name }}_amount,
    {% endfor -%}
    coalesce(sum(case when {{ is_status('order_items.payment_status',
        ['PAID', 'PARTIAL-MONTHLY', 'PARTIAL-REFUND', 'REFUND']) }}
        then null else order_items.amount end), 0) as unpaid_amount,
    coalesce(sum(order_items.tokens), 0) as tokens
from {{ ref('stg_pixxel__order_items') }} as order_items
left join {{ ref('stg_pixxel__projects') }} as projects
    on order_items.project_id = projects.project_id
where not {{ is_status('order_items.status', ['DRAFT']) }}
group by order_items.project_id
