//! The shop's own files where the function `orders` merges them, and one more that is to be merged into them.

use crate::stack::Failure;
use crate::uploads::UPLOAD_BUCKET;
use aws::admin::ensure_bucket;
use aws::clients::Clients;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use offline::ingest::{Options, local_files};
use offline::orders::ORDERS;
use offline::shop::Shop;
use serving::batch::FileStore;
use serving::batch::ports::FilePlace;
use std::path::Path;

/// Where the shop file lies in [`UPLOAD_BUCKET`].
pub const SHOP_KEY: &str = "shop.toml";
/// Files of orders that come are called so, besides what the shop's own are called.
const COMING: &str = "orders-*.csv";

/// Puts the shop's files below `uploads/orders/` of [`UPLOAD_BUCKET`], its shop file, and the file of
/// `events/orders/s3-upload.json`, so that the event can be tried: the histories then are those of the shop and of that file.
pub async fn put_orders(clients: &Clients, shop: &Shop, root: &Path) -> Result<(), Failure> {
    ensure_bucket(clients, UPLOAD_BUCKET).await?;
    let files = UploadedFiles::new(clients);
    let put = async |key: String, bytes: Vec<u8>| {
        let bucket = UPLOAD_BUCKET.to_owned();
        let place = FilePlace { bucket, key };
        files.put_file(&place, Bytes::from(bytes)).await
    };
    put(SHOP_KEY.to_owned(), described(shop)?.into_bytes()).await?;
    for (name, path) in local_files(shop, &Options::local(root))? {
        put(format!("{ORDERS}{name}"), std::fs::read(path)?).await?;
    }
    let event = std::fs::read_to_string(root.join("events/orders/s3-upload.json"))?;
    let sample = std::fs::read(root.join("events/uploads/orders.csv"))?;
    for arrival in aws::uploads::arrivals(&event)? {
        put(arrival.key, sample.clone()).await?;
    }
    Ok(())
}

/// The shop file, with a pattern for orders that come. Those of the default shop are one Parquet file, whose stamps are no text.
fn described(shop: &Shop) -> Result<String, Failure> {
    let mut shop: toml::Table = shop.text.parse()?;
    let orders = shop.get_mut("orders").and_then(toml::Value::as_table_mut);
    let orders = orders.ok_or("the shop file has no orders")?;
    let files = orders.get_mut("files").and_then(toml::Value::as_array_mut);
    files.ok_or("the orders have no files")?.push(COMING.into());
    let dates = orders.entry("dates");
    dates.or_insert_with(|| vec!["rfc3339"].into());
    Ok(toml::to_string(&shop)?)
}
