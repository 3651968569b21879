//! A shop whose order files lie in S3.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use super::Stack;
use aws::files::S3Files;
use features::history::CustomerHistory;
use offline::histories::Histories;
use offline::ingest::{LoadError, Options};
use offline::messy::{self, Size};
use offline::remote::Remote;
use offline::shop::Shop;
use std::collections::BTreeMap;
use std::path::Path;

const ROOT: &str = "s3://models/shops/messy";

/// The generated shop, twice: its files in a folder, and in S3 below [`ROOT`]. The second export is gzipped.
async fn shop(stack: &Stack, folder: &Path) -> (Shop, Shop) {
    let size = Size {
        customers: 40,
        seed: 7,
    };
    let written = messy::write(folder, size).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let key = format!(
            "shops/messy/{}",
            path.file_name().unwrap().to_string_lossy()
        );
        let body = std::fs::read(&path).unwrap();
        let put = stack.clients.s3.put_object().bucket("models").key(key);
        put.body(body.into()).send().await.unwrap();
    }
    let local = Shop::read(&written.shop_file).unwrap();
    (local, at(&written.shop_file, ROOT))
}

fn at(shop_file: &Path, root: &str) -> Shop {
    let text = std::fs::read_to_string(shop_file).unwrap();
    let (old, new) = ("data_root = \".\"", format!("data_root = \"{root}\""));
    assert!(text.contains(old));
    Shop::parse(&text.replace(old, &new), shop_file).unwrap()
}

/// Loads on a thread that may block, as the command line does.
async fn load(stack: &Stack, shop: &Shop, work: &Path) -> Result<Histories, LoadError> {
    let (clients, shop, work) = (stack.clients.clone(), shop.clone(), work.to_owned());
    let load = move || {
        let remote = Remote::through(clients);
        let options = Options {
            fetch: &remote,
            ..Options::local(&work)
        };
        Histories::load(&shop, &options)
    };
    tokio::task::spawn_blocking(load).await.unwrap()
}

fn customers(histories: &Histories) -> BTreeMap<String, CustomerHistory> {
    histories.customers().map(Result::unwrap).collect()
}

#[tokio::test]
async fn orders_in_s3_are_the_same_histories_as_on_disk() {
    let (stack, folder) = (Stack::start().await, tempfile::tempdir().unwrap());
    let (on_disk, in_s3) = shop(&stack, folder.path()).await;
    let work = tempfile::tempdir().unwrap();
    let (here, there) = (work.path().join("disk"), work.path().join("s3"));
    let expected = load(&stack, &on_disk, &here).await.unwrap();
    let found = load(&stack, &in_s3, &there).await.unwrap();
    assert!(found.counts().customers > 20 && !found.is_reused());
    assert_eq!(found.counts(), expected.counts());
    assert_eq!(customers(&found), customers(&expected));
    let rejects = |work: &Path| std::fs::read_to_string(work.join("rejects.csv")).unwrap();
    assert_eq!(rejects(&there), rejects(&here), "files have the same names");
    assert!(load(&stack, &in_s3, &there).await.unwrap().is_reused());

    // Another content under the same name is loaded again.
    let put = stack.clients.s3.put_object().bucket("models");
    let put = put.key("shops/messy/artikel.csv");
    let body = std::fs::read(folder.path().join("artikel.csv")).unwrap();
    let more = [body.as_slice(), b"never-sold;Nichts\r\n"].concat();
    put.body(more.into()).send().await.unwrap();
    assert!(!load(&stack, &in_s3, &there).await.unwrap().is_reused());
}

#[tokio::test]
async fn a_missing_bucket_or_prefix_is_named() {
    let (stack, folder) = (Stack::start().await, tempfile::tempdir().unwrap());
    shop(&stack, folder.path()).await;
    let shop_file = folder.path().join("shop.toml");
    let work = tempfile::tempdir().unwrap();
    let nowhere = at(&shop_file, "s3://nowhere/shops");
    let error = load(&stack, &nowhere, work.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("s3://nowhere/shops/bestellungen-") && error.contains("NoSuchBucket"),
        "{error}"
    );
    let empty = at(&shop_file, "s3://models/shops/other");
    let error = load(&stack, &empty, work.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("s3://models/shops/other") && error.contains("bestellungen-*.csv*"),
        "{error}"
    );
}

#[tokio::test]
async fn more_files_than_a_page_of_the_listing_are_all_found() {
    let stack = Stack::start().await;
    let folder = stack.files.path().join("models/many");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..1_100 {
        std::fs::write(folder.join(format!("orders-{number:04}.csv")), "x").unwrap();
    }
    let files = S3Files::new(&stack.clients);
    let found = files.list("s3://models/many/orders-").await.unwrap();
    assert_eq!(found.len(), 1_100, "a page holds 1,000");
    assert_eq!(found[1_099].url, "s3://models/many/orders-1099.csv");
    assert_eq!(found[1_099].size, 1);
    let fewer = files.list("s3://models/many/orders-10").await.unwrap();
    assert_eq!(fewer.len(), 100);
}
