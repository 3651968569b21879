//! Tables from bytes that nobody should trust.

use crate::shop::{Shop, policy};
use bytes::Bytes;
use proptest::prelude::*;
use recommendations::Recommendations;
use recommendations::artifacts::Tables;
use serving::predictor::Predictor;

fn files() -> [Bytes; 3] {
    let orders = |customer: usize| {
        (0..5i64)
            .map(move |day| (day, vec![customer, customer + 1, 7]))
            .collect()
    };
    let shop = Shop {
        customers: (0..20).map(orders).collect(),
        ..Shop::default()
    };
    let files = Recommendations::tables(&shop.served(&policy()).model.artifacts);
    let files: Vec<Bytes> = files.into_iter().map(Bytes::from).collect();
    files.try_into().expect("three tables")
}

#[test]
fn what_was_written_is_read() {
    let tables = Tables::open(files()).expect("tables");
    assert_eq!(tables.catalogue.items(), 21);
    assert_eq!(tables.catalogue.id(20), "item-20");
}

proptest! {
    #[test]
    fn a_changed_byte_is_refused_or_harmless(table in 0..3usize, at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut files = files();
        let mut bytes = files[table].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        files[table] = Bytes::from(bytes);
        if let Ok(tables) = Tables::open(files) {
            // Whatever was changed, nothing may be looked for where nothing is.
            for item in 0..tables.catalogue.items() as u32 {
                let _ = (tables.catalogue.id(item), tables.catalogue.figures(item));
                prop_assert!(tables.likes.of(item).all(|(other, _)| (other as usize) < tables.catalogue.items()));
                prop_assert!(tables.baskets.of(item).all(|(other, _)| (other as usize) < tables.catalogue.items()));
            }
        }
    }

    #[test]
    fn a_table_cut_short_is_refused(table in 0..3usize, at in any::<prop::sample::Index>()) {
        let mut files = files();
        let length = at.index(files[table].len());
        files[table] = files[table].slice(..length);
        prop_assert!(Tables::open(files).is_err());
    }
}
