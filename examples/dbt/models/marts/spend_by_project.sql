-- One row for each project with order items. Amounts are in the currency of the workspace.
with tasks as (

    select
        order_item_id,
        sum(tokens) as tokens
    from {{ ref('stg_pixxel__order_tasks') }}
    group by order_item_id

),

items as (

    select
        order_items.*,
        -- recurring tasking uses its tokens by task
        case when {{ is_status('order_items.type', ['RECURRING']) }}
            then coalesce(tasks.tokens, order_items.tokens)
            else order_items.tokens
        end as used_tokens,
        case
            when {{ is_status('order_items.payment_status', ['PAID', 'PARTIAL-MONTHLY', 'PARTIAL-REFUND']) }}
                then 'paid'
            when {{ is_status('order_items.payment_status', ['REFUND']) }}
                then 'refunded'
            when {{ is_status('order_items.status', ['DRAFT', 'CANCELLED', 'FAILED']) }}
                then 'costs nothing'
            else 'unpaid'
        end as payment
    from {{ ref('stg_pixxel__order_items') }} as order_items
    left join tasks
        on order_items.order_item_id = tasks.order_item_id

)

select
    items.project_id,
    max(projects.project) as project,
    count(distinct items.order_id) as orders,
    count(*) as order_items,
    {% for payment in ['paid', 'refunded', 'unpaid'] -%}
    coalesce(sum(case when items.payment = '{{ payment }}' then items.amount end), 0) as {{ payment }}_amount,
    {% endfor -%}
    coalesce(sum(items.used_tokens), 0) as tokens
from items
left join {{ ref('stg_pixxel__projects') }} as projects
    on items.project_id = projects.project_id
where items.payment <> 'costs nothing'
group by items.project_id
