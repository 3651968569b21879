-- Every column of the demand model, its population, its labels and their extras on one morning, straight from the order lines of
-- the default shop and from a table of stock levels and one of promotions.
--
-- Written from the documentation of the columns, apart from the code that serves; it must stay so. Whoever changes a column there
-- changes it here by hand.
--
-- Reads the views `transactions`, `products`, `stock` and `promotions`. Parameter: as_of (a local date).
-- One row per SKU of the population and horizon, by both; NULL is what the code calls NaN.
WITH
line AS (
    SELECT
        CAST(product_id AS VARCHAR) AS sku_id,
        CAST(timezone('America/New_York', timezone('UTC', transaction_timestamp)) AS DATE) AS local_day,
        nullif(trim(product_category), '') AS category,
        quantity AS units,
        CAST(round(sales_value * 100) AS BIGINT) AS net,
        CAST(round(retail_disc * 100) + round(coupon_disc * 100) + round(coupon_match_disc * 100) AS BIGINT) AS discount
    FROM transactions
    LEFT JOIN products USING (product_id)
    WHERE quantity BETWEEN 1 AND 99
      AND coalesce(department, '') NOT IN ('FUEL', 'MISCELLANEOUS', 'COUPON')
),
sale AS (
    SELECT sku_id, local_day, sum(units) AS units, sum(net) AS net, sum(discount) AS discount
    FROM line
    GROUP BY ALL
),
-- Days that began without stock.
out AS (
    SELECT DISTINCT CAST(product_id AS VARCHAR) AS sku_id, local_day
    FROM stock
    WHERE on_hand <= 0
),
sku AS (
    SELECT sku_id, min(category) AS category, min(local_day) AS first_day,
        greatest(min(local_day), $as_of - 112) AS began
    FROM line
    WHERE local_day < $as_of
    GROUP BY sku_id
),
recent AS (
    SELECT sku_id, local_day, $as_of - local_day AS age, units, net, discount
    FROM sale
    WHERE local_day < $as_of AND local_day >= $as_of - 112
),
recent_out AS (
    SELECT sku_id, local_day, $as_of - local_day AS age
    FROM out
    JOIN sku USING (sku_id)
    WHERE local_day < $as_of AND local_day >= began
),
-- What was sold in windows, day by day and in all.
sold AS (
    SELECT
        sku_id,
        sum(units) FILTER (age <= 7) AS units_7,
        sum(units) FILTER (age <= 14) AS units_14,
        sum(units) FILTER (age <= 28) AS units_28,
        sum(units) FILTER (age <= 56) AS units_56,
        sum(units) AS units_112,
        sum(net) FILTER (age <= 7) AS net_7,
        sum(net) FILTER (age <= 28) AS net_28,
        sum(net) AS net_112,
        sum(discount) FILTER (age <= 7) AS discount_7,
        sum(discount) FILTER (age <= 28) AS discount_28,
        sum(discount) AS discount_112,
        count(*) FILTER (age <= 28) AS sale_days_28,
        count(*) AS sale_days_112,
        min(age) AS last_age,
        max(age) AS oldest_age,
        avg(units) AS size_mean,
        var_pop(units) AS size_variance,
        max(units) AS size_most,
        sum(units * 2.0 ** (-(age - 0.5) / 56)) AS weighted_units
    FROM recent
    GROUP BY sku_id
),
without AS (
    SELECT
        sku_id,
        count(*) FILTER (age <= 7) AS out_7,
        count(*) FILTER (age <= 14) AS out_14,
        count(*) FILTER (age <= 28) AS out_28,
        count(*) FILTER (age <= 56) AS out_56,
        count(*) AS out_112,
        sum(2.0 ** (-(age - 0.5) / 56)) AS weighted_out
    FROM recent_out
    GROUP BY sku_id
),
age AS (
    SELECT unnest(generate_series(1, 112)) AS age
),
-- The weights of all days of a record of so many days.
weight AS (
    SELECT record.age AS days, sum(2.0 ** (-(age.age - 0.5) / 56)) AS weighted_days
    FROM age AS record
    JOIN age ON age.age <= record.age
    GROUP BY record.age
),
known AS (
    SELECT
        sku.*,
        $as_of - first_day AS age_days,
        $as_of - began AS days,
        sold.* EXCLUDE (sku_id),
        coalesce(out_7, 0) AS out_7,
        coalesce(out_14, 0) AS out_14,
        coalesce(out_28, 0) AS out_28,
        coalesce(out_56, 0) AS out_56,
        coalesce(out_112, 0) AS out_112,
        (weighted_units + 0.5) / (weighted_days - coalesce(weighted_out, 0) + 14) AS level
    FROM sku
    JOIN sold USING (sku_id)
    LEFT JOIN without USING (sku_id)
    JOIN weight ON weight.days = $as_of - began
    WHERE $as_of - first_day >= 56 AND 112.0 * sale_days_112 / ($as_of - began) >= 6
),
-- Weeks that end on the morning, the first of them cut by the beginning; 0 is the last.
week AS (
    SELECT sku_id, days, unnest(generate_series(0, CAST(ceil(days / 7) AS INTEGER) - 1)) AS week
    FROM known
),
week_sold AS (
    SELECT sku_id, (age - 1) // 7 AS week, sum(units) AS units
    FROM recent
    GROUP BY ALL
),
week_out AS (
    SELECT sku_id, (age - 1) // 7 AS week, count(*) AS out_days
    FROM recent_out
    GROUP BY ALL
),
-- Scaled up where somebody could buy on some days only; left out where on fewer than four.
observed AS (
    SELECT
        sku_id,
        coalesce(units, 0) / (least(7, days - 7 * week) - coalesce(out_days, 0)) * 7.0 AS units,
        row_number() OVER (PARTITION BY sku_id ORDER BY week DESC) AS nth,
        count(*) OVER (PARTITION BY sku_id) AS weeks
    FROM week
    LEFT JOIN week_sold USING (sku_id, week)
    LEFT JOIN week_out USING (sku_id, week)
    WHERE least(7, days - 7 * week) - coalesce(out_days, 0) >= 4
),
-- Smoothing with alpha .1 from the mean of the first four, in closed form.
weekly AS (
    SELECT
        sku_id,
        avg(CAST(units = 0 AS INTEGER)) AS zero_share,
        ln((var_pop(units) + 0.1) / (avg(units) + 0.1)) AS log_dispersion,
        sum(units * CASE
            WHEN nth <= 4 THEN 0.9 ** (weeks - least(weeks, 4)) / least(weeks, 4)
            ELSE 0.1 * 0.9 ** (weeks - nth)
        END) AS smoothed
    FROM observed
    GROUP BY sku_id
),
category AS (
    SELECT
        category,
        coalesce(sum(units) FILTER (age <= 7), 0) / 7 AS rate_7,
        coalesce(sum(units) FILTER (age <= 28), 0) / 28 AS rate_28,
        coalesce(sum(units) FILTER (age > 28 AND age <= 56), 0) / 28 AS rate_28_before,
        sum(units) / 112 AS rate_112,
        sum(discount) FILTER (age <= 7) / nullif(sum(net + discount) FILTER (age <= 7), 0) AS discount_share_7
    FROM recent
    JOIN sku USING (sku_id)
    WHERE category IS NOT NULL
    GROUP BY category
),
horizon AS (
    SELECT unnest([7, 14, 28, 42]) AS horizon_days
),
-- Promotions that are known on the morning, day by day.
promoted AS (
    SELECT DISTINCT
        CAST(product_id AS VARCHAR) AS sku_id,
        CAST(unnest(generate_series(first_day, last_day, INTERVAL 1 DAY)) AS DATE) AS local_day
    FROM promotions
    WHERE known_since < $as_of
),
promoted_ahead AS (
    SELECT sku_id, horizon_days, count(*) FILTER (local_day >= $as_of AND local_day < $as_of + horizon_days) AS days
    FROM promoted
    CROSS JOIN horizon
    GROUP BY ALL
),
promoted_before AS (
    SELECT sku_id, count(*) FILTER (local_day < $as_of AND local_day >= $as_of - 28) AS days
    FROM promoted
    GROUP BY ALL
),
ahead AS (
    SELECT sku_id, horizon_days, sum(units) AS units
    FROM sale
    JOIN horizon ON local_day >= $as_of AND local_day < $as_of + horizon_days
    GROUP BY ALL
),
ahead_out AS (
    SELECT sku_id, horizon_days, count(*) AS days
    FROM out
    JOIN horizon ON local_day >= $as_of AND local_day < $as_of + horizon_days
    GROUP BY ALL
),
rate AS (
    SELECT
        sku_id,
        coalesce(units_7, 0) / nullif(least(days, 7) - out_7, 0) AS rate_7,
        coalesce(units_14, 0) / nullif(least(days, 14) - out_14, 0) AS rate_14,
        coalesce(units_28, 0) / nullif(least(days, 28) - out_28, 0) AS rate_28,
        coalesce(units_56, 0) / nullif(least(days, 56) - out_56, 0) AS rate_56,
        units_112 / nullif(days - out_112, 0) AS rate_112,
        (coalesce(units_56, 0) - coalesce(units_28, 0))
            / nullif(least(days, 56) - out_56 - least(days, 28) + out_28, 0) AS rate_28_before,
        (units_112 - coalesce(units_56, 0)) / nullif(days - out_112 - least(days, 56) + out_56, 0) AS rate_56_before
    FROM known
)
SELECT
    sku_id,
    coalesce(ahead.units, 0) AS label,
    horizon_days,
    horizon_days - coalesce(ahead_out.days, 0) AS exposed_days,
    -- The code takes the logarithm of 0 here.
    CASE WHEN horizon_days = coalesce(ahead_out.days, 0) THEN CAST('-Infinity' AS DOUBLE)
        ELSE ln(level * (horizon_days - coalesce(ahead_out.days, 0))) END AS log_offset,
    ln(horizon_days) AS log_horizon_days,
    ln(level) AS log_level,
    rate.rate_7 / level AS rate_7_over_level,
    rate_14 / level AS rate_14_over_level,
    rate.rate_28 / level AS rate_28_over_level,
    rate_56 / level AS rate_56_over_level,
    rate.rate_112 / level AS rate_112_over_level,
    smoothed / 7 / level AS smoothed_over_level,
    ln((rate.rate_28 + level / 2) / (rate.rate_28_before + level / 2)) AS trend_28,
    ln((rate_56 + level / 2) / (rate_56_before + level / 2)) AS trend_56,
    least(age_days, 112) AS age_days,
    zero_share AS zero_week_share,
    (oldest_age - last_age) / nullif(sale_days_112 - 1, 0) AS gap_mean_days,
    last_age AS recency_days,
    last_age / ((oldest_age - last_age) / nullif(sale_days_112 - 1, 0)) AS recency_over_gap,
    sale_days_28,
    112.0 * sale_days_112 / known.days AS sale_days_112,
    ln(size_mean) AS log_sale_size,
    CASE WHEN sale_days_112 > 1 THEN size_variance / size_mean ** 2 END AS sale_size_cv2,
    size_most / units_112 AS peak_share,
    log_dispersion AS log_week_dispersion,
    category.rate_7 / nullif(category.rate_28, 0) AS category_rate_7_over_28,
    category.rate_28 / nullif(category.rate_28_before, 0) AS category_rate_28_over_before,
    category.rate_28 / category.rate_112 AS category_rate_28_over_112,
    ln(category.rate_112) AS log_category_rate,
    units_112 / (category.rate_112 * 112) AS category_share,
    net_28 / units_28 / nullif(net_112 / units_112, 0) AS price_28_over_112,
    CASE WHEN net_112 > 0 THEN ln(net_112 / units_112) END AS log_price_minor,
    discount_7 / nullif(net_7 + discount_7, 0) AS discount_share_7,
    discount_28 / nullif(net_28 + discount_28, 0) AS discount_share_28,
    discount_112 / nullif(net_112 + discount_112, 0) AS discount_share_112,
    category.discount_share_7 AS category_discount_share_7,
    promoted_ahead.days / horizon_days AS promoted_ahead_share,
    promoted_before.days / 28 AS promoted_before_share,
    out_28 / least(known.days, 28) AS out_of_stock_share_28,
    out_112 / known.days AS out_of_stock_share_112
FROM known
JOIN rate USING (sku_id)
CROSS JOIN horizon
LEFT JOIN weekly USING (sku_id)
LEFT JOIN category USING (category)
LEFT JOIN promoted_ahead USING (sku_id, horizon_days)
LEFT JOIN promoted_before USING (sku_id)
LEFT JOIN ahead USING (sku_id, horizon_days)
LEFT JOIN ahead_out USING (sku_id, horizon_days)
ORDER BY sku_id, horizon_days
