//! What a load writes into the store.

use super::{Folder, HEADER, by_customer, by_sku};
use features::demand::{DemandHistory, codec};
use inventory::{CATEGORY, SKU};
use offline::histories::Histories;
use offline::store::{Loaded, write_all};
use serving::ports::{HistoryStore, MemoryStore};

fn written(store: &MemoryStore, histories: &Histories) -> Vec<Loaded> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(write_all(store, histories, &|_| ()))
        .unwrap()
}

fn stored(store: &MemoryStore, kind: &'static str, ids: &[&str]) -> Vec<Option<DemandHistory>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let found = runtime.block_on(store.get_histories(kind, ids)).unwrap();
    let decode = |bytes: &bytes::Bytes| codec::decode(bytes).unwrap();
    found
        .records
        .iter()
        .map(|record| record.as_ref().map(decode))
        .collect()
}

#[test]
fn skus_and_totals_are_written_and_follow_the_files() {
    let header = HEADER.replace("amount\n", "amount,kind\n");
    let rows = "o1,c1,2024-01-02 10:00,p1,2,5.00,tea\no2,c1,2024-01-03 10:00,p2,1,2.50,tea\n\
                o3,c2,2024-01-04 10:00,p3,1,2.50,\n";
    let folder = Folder::new()
        .file("a.csv", format!("{header}{rows}"))
        .but("quantity =", "category = \"kind\"\nquantity =");
    let store = MemoryStore::default();
    let histories = folder.load().unwrap();
    let counts: Vec<_> = written(&store, &histories)
        .iter()
        .map(|kind| (kind.kind, kind.entities))
        .collect();
    assert_eq!(counts, [("customer", 2), (CATEGORY, 1), (SKU, 3)]);
    let skus = by_sku(&histories);
    let found = stored(&store, SKU, &["p1", "p2", "p3", "p4"]);
    assert_eq!(
        found[..3],
        ["p1", "p2", "p3"].map(|id| Some(skus[id].clone()))
    );
    assert_eq!(found[3], None);
    let totals = stored(&store, CATEGORY, &["tea", ""]);
    let units = |total: &Option<DemandHistory>| {
        let days = total.as_ref().map(|total| total.days.iter());
        days.map(|days| days.map(|day| day.units_milli).sum::<i64>())
    };
    assert_eq!(
        totals.iter().map(units).collect::<Vec<_>>(),
        [Some(3000), None]
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for kind in [SKU, CATEGORY] {
        let known = runtime.block_on(store.get_histories(kind, &[])).unwrap();
        assert_eq!(known.complete_through, Some(histories.known_days().1));
    }

    // A product that no file names any more goes.
    let fewer = rows.replace("o3,c2,2024-01-04 10:00,p3,1,2.50,\n", "");
    let folder = folder.file("a.csv", format!("{header}{fewer}"));
    let histories = folder.load().unwrap();
    let removed: Vec<_> = written(&store, &histories)
        .iter()
        .map(|kind| kind.removed)
        .collect();
    assert_eq!(removed, [1, 0, 1]);
    assert_eq!(stored(&store, SKU, &["p3"]), [None]);
}

#[test]
fn a_shop_without_products_writes_customers_only() {
    let folder = Folder::with_rows("o1,c1,2024-01-02 10:00,p1,2,5.00\n")
        .but("product_id = \"product\"\n", "");
    let histories = folder.load().unwrap();
    let kinds = written(&MemoryStore::default(), &histories);
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].entities, by_customer(&histories).len() as u64);
}
