//! From the text's tables to a checked [`Shop`].

use super::sections::{Layout, Orders, Products, ShopFile, TimeFile};
use super::{Currency, Drops, FORMAT, Shop, ShopError, Zones, supply, training};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A record buffer of this size per file still leaves memory bounded.
const MAX_RECORD_BYTES: usize = 64 << 20;
const MAX_DATE_FORMATS: usize = 32;

/// What is wrong, before the file is known: key, value, allowed.
pub(super) struct Wrong(String, String, String);

pub(super) fn wrong(
    key: impl Into<String>,
    value: impl std::fmt::Debug,
    allowed: impl Into<String>,
) -> Wrong {
    Wrong(key.into(), format!("{value:?}"), allowed.into())
}

pub(super) fn shop(file: ShopFile, text: &str, path: &Path) -> Result<Shop, ShopError> {
    checked(file, text, path).map_err(|Wrong(key, value, allowed)| ShopError::Value {
        path: path.to_owned(),
        key,
        value,
        allowed,
    })
}

fn checked(file: ShopFile, text: &str, path: &Path) -> Result<Shop, Wrong> {
    if file.format != FORMAT {
        return Err(wrong("format", file.format, FORMAT.to_string()));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if file.name.is_empty() || file.name.len() > 64 || !file.name.chars().all(plain) {
        return Err(wrong("name", &file.name, "1 to 64 of a-z, 0-9, - and _"));
    }
    let currency = Currency::of(&file.currency).ok_or_else(|| {
        wrong(
            "currency",
            &file.currency,
            "a three-letter code of ISO 4217, such as EUR",
        )
    })?;
    let time = zones(&file.time)?;
    orders(&file.orders, file.products.as_ref())?;
    if let Some(products) = &file.products {
        product_files(products)?;
    }
    drops(&file.drop, file.products.as_ref(), &file.orders)?;
    let supply = supply::supply(file.stock, file.on_order, file.promotions, &file.orders)?;
    let training = training::training(file.training, &time.days, path)?;
    Ok(Shop {
        path: path.to_owned(),
        name: file.name,
        currency,
        source: file.source,
        licence: file.licence,
        data_root: data_root(&file.data_root, path)?,
        time,
        orders: file.orders,
        products: file.products,
        stock: supply.stock,
        on_order: supply.on_order,
        promotions: supply.promotions,
        drop: file.drop,
        training,
        text: text.to_owned(),
    })
}

fn data_root(root: &str, path: &Path) -> Result<PathBuf, Wrong> {
    if root.is_empty() {
        return Err(wrong(
            "data_root",
            root,
            "a folder, \".\" for that of the file itself, or s3://bucket/prefix",
        ));
    }
    Ok(if root.starts_with("s3://") {
        root.into()
    } else {
        beside(path, root)
    })
}

/// A path that starts at the folder of the `shop.toml`.
pub(super) fn beside(shop: &Path, path: impl AsRef<Path>) -> PathBuf {
    shop.parent().unwrap_or(Path::new("")).join(path)
}

fn zones(time: &TimeFile) -> Result<Zones, Wrong> {
    let zone = |key: &str, name: &str| {
        TimeZone::get(name).map_err(|_| {
            wrong(
                key,
                name,
                "a zone of the IANA database, such as Europe/Vienna",
            )
        })
    };
    let naive = zone("time.naive_zone", &time.naive_zone)?;
    let days = time
        .day_zone
        .as_deref()
        .map_or(Ok(naive.clone()), |name| zone("time.day_zone", name))?;
    Ok(Zones { naive, days })
}

fn orders(orders: &Orders, products: Option<&Products>) -> Result<(), Wrong> {
    patterns("orders.files", &orders.files)?;
    let columns = &orders.columns;
    let named: Vec<(&str, &str)> = [
        ("order_id", columns.order_id.as_deref()),
        ("customer_id", Some(columns.customer_id.as_str())),
        ("placed_at", Some(columns.placed_at.as_str())),
        ("product_id", columns.product_id.as_deref()),
        ("location", columns.location.as_deref()),
        ("category", columns.category.as_deref()),
        ("quantity", columns.quantity.as_deref()),
        ("amount", Some(columns.amount.as_str())),
        ("updated_at", columns.updated_at.as_deref()),
    ]
    .into_iter()
    .filter_map(|(key, name)| name.map(|name| (key, name)))
    .chain(
        columns
            .discounts
            .iter()
            .map(|name| ("discounts", name.as_str())),
    )
    .collect();
    layout("orders", &orders.layout, &named)?;
    date_formats("orders.dates", &orders.dates)?;
    if !(0.0..=1.0).contains(&orders.max_reject_share) {
        return Err(wrong(
            "orders.max_reject_share",
            orders.max_reject_share,
            "0 to 1",
        ));
    }
    needs_order_id(orders)?;
    if columns.location.is_some() && columns.product_id.is_none() {
        return Err(wrong(
            "orders.columns.location",
            &columns.location,
            "none, unless orders.columns.product_id names a column",
        ));
    }
    if products.is_some() && columns.product_id.is_none() {
        return Err(wrong(
            "orders.columns.product_id",
            None::<&str>,
            "a column, because [products] is joined by it",
        ));
    }
    Ok(())
}

fn needs_order_id(orders: &Orders) -> Result<(), Wrong> {
    if orders.columns.order_id.is_some() {
        return Ok(());
    }
    if orders.guests == super::Guests::OneOff {
        return Err(wrong(
            "orders.guests",
            "one_off",
            "\"drop\", unless orders.columns.order_id names a column",
        ));
    }
    if !orders.cancellation_prefixes.is_empty() {
        let allowed = "none, unless orders.columns.order_id names a column";
        return Err(wrong(
            "orders.cancellation_prefixes",
            &orders.cancellation_prefixes,
            allowed,
        ));
    }
    Ok(())
}

fn product_files(products: &Products) -> Result<(), Wrong> {
    patterns("products.files", &products.files)?;
    let columns = &products.columns;
    let named: Vec<(&str, &str)> = [
        ("product_id", Some(columns.product_id.as_str())),
        ("category", columns.category.as_deref()),
        ("department", columns.department.as_deref()),
        ("brand", columns.brand.as_deref()),
        ("unit_cost", columns.unit_cost.as_deref()),
    ]
    .into_iter()
    .filter_map(|(key, name)| name.map(|name| (key, name)))
    .collect();
    layout("products", &products.layout, &named)
}

pub(super) fn patterns(key: &str, patterns: &[String]) -> Result<(), Wrong> {
    if patterns.is_empty() {
        return Err(wrong(
            key,
            patterns,
            "at least one pattern, such as \"orders-*.csv\"",
        ));
    }
    let bad = |pattern: &&String| pattern.is_empty() || pattern.split('/').any(|part| part == "**");
    match patterns.iter().find(bad) {
        Some(pattern) => Err(wrong(
            key,
            pattern,
            "a path with * and ? inside its parts; ** is not known",
        )),
        None => Ok(()),
    }
}

pub(super) fn layout(table: &str, layout: &Layout, columns: &[(&str, &str)]) -> Result<(), Wrong> {
    if !layout.delimiter.is_ascii() || matches!(layout.delimiter, '"' | '\r' | '\n') {
        return Err(wrong(
            format!("{table}.layout.delimiter"),
            layout.delimiter,
            "one ASCII character, no quote",
        ));
    }
    if !(64..=MAX_RECORD_BYTES).contains(&layout.max_record_bytes) {
        let allowed = format!("64 to {MAX_RECORD_BYTES}");
        return Err(wrong(
            format!("{table}.layout.max_record_bytes"),
            layout.max_record_bytes,
            allowed,
        ));
    }
    if let Some((key, name)) = columns.iter().find(|(_, name)| name.is_empty()) {
        return Err(wrong(
            format!("{table}.columns.{key}"),
            name,
            "the name of a column",
        ));
    }
    let Some(names) = &layout.column_names else {
        return Ok(());
    };
    let distinct: BTreeSet<&String> = names.iter().collect();
    if names.is_empty() || distinct.len() < names.len() {
        return Err(wrong(
            format!("{table}.layout.column_names"),
            names,
            "every column once",
        ));
    }
    match columns
        .iter()
        .find(|(_, name)| !names.iter().any(|known| known == name))
    {
        Some((key, name)) => Err(wrong(
            format!("{table}.columns.{key}"),
            name,
            format!("one of layout.column_names {names:?}"),
        )),
        None => Ok(()),
    }
}

pub(super) fn date_formats(key: &str, formats: &[String]) -> Result<(), Wrong> {
    if formats.len() > MAX_DATE_FORMATS {
        let allowed = format!("at most {MAX_DATE_FORMATS} formats");
        return Err(wrong(key, formats, allowed));
    }
    let mut all = formats.iter().enumerate();
    all.try_for_each(|(index, format)| date_format(&format!("{key}[{index}]"), format))
}

/// Tries the format on a known instant, there and back, so that a typo is found before the first row is.
fn date_format(key: &str, format: &str) -> Result<(), Wrong> {
    let allowed = "rfc3339, or a strptime format with year, month and day such as %d.%m.%Y %H:%M";
    if format == "rfc3339" {
        return Ok(());
    }
    let probe = jiff::civil::date(2021, 12, 31)
        .at(23, 58, 59, 0)
        .to_zoned(TimeZone::UTC)
        .ok();
    let works = probe.and_then(|probe| {
        let text = jiff::fmt::strtime::format(format, &probe).ok()?;
        let read = jiff::fmt::strtime::parse(format, &text).ok()?;
        let date = read.to_date().ok().or_else(|| {
            read.to_timestamp()
                .ok()
                .map(|t| TimeZone::UTC.to_datetime(t).date())
        })?;
        Some(date == probe.date())
    });
    if works == Some(true) {
        Ok(())
    } else {
        Err(wrong(key, format, allowed))
    }
}

fn drops(drop: &Drops, products: Option<&Products>, orders: &Orders) -> Result<(), Wrong> {
    let department = products.is_some_and(|p| p.columns.department.is_some());
    if !drop.departments.is_empty() && !department {
        return Err(wrong(
            "drop.departments",
            &drop.departments,
            "none, unless products.columns.department is named",
        ));
    }
    let category =
        orders.columns.category.is_some() || products.is_some_and(|p| p.columns.category.is_some());
    if !drop.categories.is_empty() && !category {
        return Err(wrong(
            "drop.categories",
            &drop.categories,
            "none, unless a category column is named",
        ));
    }
    if orders.columns.product_id.is_none()
        && !(drop.product_ids.is_empty() && drop.product_prefixes.is_empty())
    {
        let value = (&drop.product_ids, &drop.product_prefixes);
        return Err(wrong(
            "drop.product_ids, drop.product_prefixes",
            value,
            "none, unless a product column is named",
        ));
    }
    if drop
        .product_prefixes
        .iter()
        .chain(&orders.cancellation_prefixes)
        .any(String::is_empty)
    {
        return Err(wrong(
            "drop.product_prefixes, orders.cancellation_prefixes",
            "",
            "prefixes that are not empty",
        ));
    }
    let sensible =
        |limit: Option<f64>| limit.is_none_or(|l| l.is_finite() && (0.0..=1e6).contains(&l));
    let ordered = drop
        .quantity_below
        .zip(drop.quantity_above)
        .is_none_or(|(below, above)| below <= above);
    if !sensible(drop.quantity_below) || !sensible(drop.quantity_above) || !ordered {
        let value = (drop.quantity_below, drop.quantity_above);
        return Err(wrong(
            "drop.quantity_below, drop.quantity_above",
            value,
            "0 to 1000000, the first not above the second",
        ));
    }
    Ok(())
}
