-- Every column of the churn model, its population and its label at one instant, straight from the order lines of the default shop.
--
-- Written from the documentation of the columns, apart from the code that serves; it must stay so. Whoever changes a column there
-- changes it here by hand.
--
-- Reads the views `transactions` and `products`. Parameters: as_of and horizon (whole seconds), and BG/NBD's r, alpha, a, b (days).
-- One row per customer of the population, by id; NULL is what the code calls NaN.
WITH
line AS (
    SELECT
        CAST(household_id AS VARCHAR) AS customer_id,
        basket_id,
        CAST(epoch(transaction_timestamp) AS BIGINT) AS placed_at,
        CAST(timezone('America/New_York', timezone('UTC', transaction_timestamp)) AS DATE) AS local_day,
        product_id,
        nullif(trim(product_category), '') AS category,
        quantity,
        CAST(round(sales_value * 100) AS BIGINT) AS net,
        CAST(round(retail_disc * 100) + round(coupon_disc * 100) + round(coupon_match_disc * 100) AS BIGINT) AS discount
    FROM transactions
    LEFT JOIN products USING (product_id)
    WHERE quantity BETWEEN 1 AND 99
      AND coalesce(department, '') NOT IN ('FUEL', 'MISCELLANEOUS', 'COUPON')
),
basket AS (
    SELECT
        customer_id,
        basket_id,
        min(placed_at) AS placed_at,
        min(local_day) AS local_day,
        sum(net) AS net,
        sum(discount) AS discount,
        sum(quantity) AS units,
        count(DISTINCT product_id) AS products
    FROM line
    GROUP BY ALL
),
label AS (
    SELECT DISTINCT customer_id
    FROM basket
    WHERE placed_at >= $as_of AND placed_at < $as_of + $horizon
),
-- Age in seconds: a window of w seconds holds the ages up to and including w.
past AS (
    SELECT *, $as_of - placed_at AS age
    FROM basket
    WHERE placed_at < $as_of
),
occasion AS (
    SELECT customer_id, local_day, min(placed_at) AS began
    FROM past
    GROUP BY ALL
),
gap AS (
    SELECT customer_id, began, began - lag(began) OVER (PARTITION BY customer_id ORDER BY began) AS seconds
    FROM occasion
),
life AS (
    SELECT
        customer_id,
        count(*) AS occasions,
        min(began) AS first_at,
        max(began) AS last_at
    FROM occasion
    GROUP BY ALL
),
rhythm AS (
    SELECT
        customer_id,
        (max(last_at) - min(first_at)) / 86400.0::DOUBLE / count(seconds) AS gap_mean,
        CASE WHEN count(seconds) > 1 THEN stddev_samp(seconds) / 86400.0::DOUBLE END AS gap_sd,
        max(seconds) / 86400.0::DOUBLE AS gap_max,
        arg_max(seconds, began) / 86400.0::DOUBLE AS gap_last,
        count(*) FILTER (seconds >= $as_of - last_at) / CAST(count(seconds) AS DOUBLE) AS longer_share
    FROM gap
    JOIN life USING (customer_id)
    WHERE seconds IS NOT NULL
    GROUP BY ALL
),
windowed AS (
    SELECT
        customer_id,
        min(age) / 86400.0::DOUBLE AS recency,
        count(DISTINCT local_day) FILTER (age <= $horizon // 4) AS days_quarter,
        count(DISTINCT local_day) FILTER (age <= $horizon // 2) AS days_half,
        count(DISTINCT local_day) FILTER (age <= $horizon) AS days_1,
        count(DISTINCT local_day) FILTER (age <= $horizon * 2) AS days_2,
        count(DISTINCT local_day) FILTER (age <= $horizon * 4) AS days_4,
        coalesce(sum(net) FILTER (age <= $horizon // 4), 0)::DOUBLE AS spend_quarter,
        coalesce(sum(net) FILTER (age <= $horizon // 2), 0)::DOUBLE AS spend_half,
        coalesce(sum(net) FILTER (age <= $horizon), 0)::DOUBLE AS spend_1,
        coalesce(sum(net) FILTER (age <= $horizon * 2), 0)::DOUBLE AS spend_2,
        coalesce(sum(net) FILTER (age <= $horizon * 4), 0)::DOUBLE AS spend_4,
        coalesce(sum(discount) FILTER (age <= $horizon), 0)::DOUBLE AS discount_1,
        coalesce(sum(discount) FILTER (age <= $horizon * 4), 0)::DOUBLE AS discount_4,
        coalesce(sum(units) FILTER (age <= $horizon * 4), 0)::DOUBLE AS units_4,
        coalesce(sum(products) FILTER (age <= $horizon * 4), 0)::DOUBLE AS products_4,
        count(*) FILTER (age <= $horizon * 4) AS orders_4
    FROM past
    GROUP BY ALL
),
variety AS (
    SELECT
        customer_id,
        count(DISTINCT category) FILTER (placed_at >= $as_of - $horizon) AS categories_1,
        count(DISTINCT category) FILTER (placed_at >= $as_of - $horizon * 4) AS categories_4
    FROM line
    WHERE placed_at < $as_of
    GROUP BY ALL
),
bgnbd AS (
    SELECT
        customer_id,
        occasions - 1 AS x,
        (last_at - first_at) / 86400.0::DOUBLE AS t_x,
        ($as_of - first_at) / 86400.0::DOUBLE AS t
    FROM life
),
-- Alive and at least one purchase within the horizon, given alive.
probability AS (
    SELECT
        customer_id,
        (CASE WHEN x = 0 THEN 1 ELSE 1 / (1 + $a / ($b + x - 1) * pow(($alpha + t) / ($alpha + t_x), $r + x)) END)
            * (1 - pow(($alpha + t) / ($alpha + t + $horizon / 86400.0::DOUBLE), $r + x)) AS p_buy
    FROM bgnbd
)
SELECT
    customer_id,
    CASE WHEN label.customer_id IS NULL THEN 1 ELSE 0 END AS label,
    recency AS recency_days,
    recency / gap_mean AS recency_over_gap_mean,
    recency / gap_max AS recency_over_gap_max,
    longer_share AS longer_gap_share,
    p_buy AS bgnbd_p_buy,
    gap_mean AS gap_mean_days,
    gap_sd AS gap_sd_days,
    gap_max AS gap_max_days,
    gap_last AS gap_last_days,
    gap_sd / gap_mean AS gap_variation,
    t AS tenure_days,
    x AS repeat_purchase_days,
    occasions / t AS lifetime_rate_per_day,
    days_quarter AS purchase_days_quarter_h,
    days_half AS purchase_days_half_h,
    days_1 AS purchase_days_1h,
    days_2 AS purchase_days_2h,
    days_4 AS purchase_days_4h,
    days_half / nullif(days_1, 0)::DOUBLE AS frequency_trend_half_h,
    days_1 / nullif(days_2, 0)::DOUBLE AS frequency_trend_1h,
    days_2 / nullif(days_4, 0)::DOUBLE AS frequency_trend_2h,
    spend_1 / nullif(spend_2, 0) AS spend_trend_1h,
    spend_2 / nullif(spend_4, 0) AS spend_trend_2h,
    spend_quarter AS spend_quarter_h_minor,
    spend_half AS spend_half_h_minor,
    spend_1 AS spend_1h_minor,
    spend_2 AS spend_2h_minor,
    spend_4 AS spend_4h_minor,
    spend_4 / orders_4 AS spend_per_order_4h_minor,
    units_4 / orders_4 AS units_per_order_4h,
    products_4 / orders_4 AS products_per_order_4h,
    categories_1 AS categories_1h,
    categories_4 AS categories_4h,
    discount_1 / nullif(spend_1 + discount_1, 0) AS discount_share_1h,
    discount_4 / nullif(spend_4 + discount_4, 0) AS discount_share_4h,
    -- The export has no returns.
    0 / nullif(spend_4, 0) AS return_share_4h
FROM windowed
JOIN life USING (customer_id)
JOIN bgnbd USING (customer_id)
JOIN probability USING (customer_id)
JOIN variety USING (customer_id)
LEFT JOIN rhythm USING (customer_id)
LEFT JOIN label USING (customer_id)
WHERE days_4 > 0
ORDER BY customer_id
