-- What the ranking model is told of customers, items and categories at one instant, straight from the order lines of the default shop.
--
-- It shares no code with what serves, and must stay so: whoever changes a column there changes it here by hand.
--
-- Reads the views `transactions` and `products` and the variable `as_of` (whole seconds); makes the tables below.
CREATE TABLE line AS
SELECT
    CAST(household_id AS VARCHAR) AS customer_id,
    CAST(basket_id AS VARCHAR) AS basket_id,
    CAST(epoch(transaction_timestamp) AS BIGINT) AS placed_at,
    date_diff('day', DATE '1970-01-01', CAST(timezone('America/New_York', timezone('UTC', transaction_timestamp)) AS DATE)) AS local_day,
    CAST(product_id AS VARCHAR) AS product_id,
    coalesce(trim(product_category), '') AS category,
    quantity,
    CAST(round(sales_value * 100) AS BIGINT) AS net
FROM transactions
LEFT JOIN products USING (product_id)
WHERE quantity BETWEEN 1 AND 99
  AND coalesce(department, '') NOT IN ('FUEL', 'MISCELLANEOUS', 'COUPON')
  -- Four weeks are enough for the order that the cart is taken from; what comes later is not looked at.
  AND epoch(transaction_timestamp) < getvariable('as_of') + 28 * 86400;

-- One row per order and item. `place` counts the customer's orders from 0, and `age` is in seconds: a window of w seconds holds
-- the ages up to and including w.
CREATE TABLE purchase AS
SELECT *, dense_rank() OVER (PARTITION BY customer_id ORDER BY placed_at, basket_id) - 1 AS place
FROM (
    SELECT
        customer_id,
        basket_id,
        placed_at,
        local_day,
        product_id,
        category,
        sum(quantity) AS quantity,
        sum(net) AS net,
        getvariable('as_of') - placed_at AS age
    FROM line
    WHERE placed_at < getvariable('as_of')
    GROUP BY ALL
);

CREATE TABLE later AS
SELECT customer_id, basket_id, placed_at, list(DISTINCT product_id) AS items
FROM line
WHERE placed_at >= getvariable('as_of')
GROUP BY ALL
HAVING count(DISTINCT product_id) >= 3;

CREATE TABLE shop AS
SELECT
    count(DISTINCT basket_id) AS orders,
    count(DISTINCT basket_id) FILTER (age <= 28 * 86400) AS orders_28,
    count(DISTINCT basket_id) FILTER (age <= 7 * 86400) AS orders_7
FROM purchase;

-- Numbers follow the text of ids and names, byte by byte.
CREATE TABLE category AS
SELECT category, row_number() OVER (ORDER BY category) - 1 AS number
FROM (SELECT DISTINCT category FROM purchase);

CREATE TABLE item AS
WITH
buyer AS (
    SELECT product_id, count(DISTINCT local_day) AS days, max(local_day) - min(local_day) AS span
    FROM purchase
    GROUP BY customer_id, product_id
),
rhythm AS (
    SELECT
        product_id,
        sum(span) / CAST(nullif(sum(days - 1), 0) AS DOUBLE) AS gap_days,
        count(*) FILTER (days > 1) / CAST(count(*) AS DOUBLE) AS repeat_rate
    FROM buyer
    GROUP BY product_id
),
counted AS (
    SELECT
        product_id,
        category,
        count(*) AS orders,
        count(*) FILTER (age <= 28 * 86400) AS orders_28,
        count(*) FILTER (age <= 7 * 86400) AS orders_7,
        (sum(net) FILTER (age <= 14 * 86400) / CAST(sum(quantity) FILTER (age <= 14 * 86400) AS DOUBLE))
            / (CAST(nullif(sum(net), 0) AS DOUBLE) / sum(quantity)) AS price_ratio
    FROM purchase
    GROUP BY ALL
)
SELECT
    row_number() OVER (ORDER BY product_id) - 1 AS item,
    product_id,
    category.number AS category,
    orders,
    orders_28,
    orders_7,
    gap_days,
    repeat_rate,
    price_ratio,
    sum(orders_28) OVER (PARTITION BY category.number) AS category_orders_28
FROM counted
JOIN rhythm USING (product_id)
JOIN category USING (category)
ORDER BY item;

-- Who bought what in which order, by numbers.
CREATE TABLE bought AS
SELECT
    customer_id,
    place,
    item,
    dense_rank() OVER (ORDER BY customer_id) - 1 AS customer,
    dense_rank() OVER (ORDER BY customer_id, basket_id) - 1 AS basket
FROM purchase
JOIN item USING (product_id);

-- Sums run by place, so that two items of the same orders come to the same, bit by bit.
CREATE TABLE own AS
SELECT
    customer_id,
    item.item,
    count(*) AS orders,
    sum(pow(2.0::DOUBLE, -(age / 86400.0::DOUBLE) / 28) ORDER BY place) AS short_memory,
    sum(pow(2.0::DOUBLE, -(age / 86400.0::DOUBLE) / 112) ORDER BY place) AS long_memory,
    min(age) / 86400.0::DOUBLE AS days_since,
    (max(local_day) - min(local_day)) / CAST(nullif(count(DISTINCT local_day) - 1, 0) AS DOUBLE) AS gap_days,
    min(place) AS first_place,
    max(place) AS last_place
FROM purchase
JOIN item USING (product_id)
GROUP BY ALL
ORDER BY customer_id, item.item;

CREATE TABLE own_category AS
SELECT
    customer_id,
    category.number AS category,
    count(*) AS pairs,
    count(DISTINCT product_id) AS items,
    sum(pow(2.0::DOUBLE, -(age / 86400.0::DOUBLE) / 112) ORDER BY place) AS long_memory,
    min(age) / 86400.0::DOUBLE AS days_since,
    (max(local_day) - min(local_day)) / CAST(nullif(count(DISTINCT local_day) - 1, 0) AS DOUBLE) AS gap_days
FROM purchase
JOIN category USING (category)
GROUP BY ALL
ORDER BY customer_id, category.number;
