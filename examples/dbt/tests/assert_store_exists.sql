-- A mistyped store would make each image undelivered.
select '{{ var("pixxel_store") | replace("'", "''") if var("pixxel_store") else "" }}' as missing_store
where
    {{ 'true' if var('pixxel_store') else 'false' }}
    and not exists (
        select 1 from {{ ref('stg_pixxel__stores') }}
        where store = '{{ var("pixxel_store") | replace("'", "''") if var("pixxel_store") else "" }}'
    )
