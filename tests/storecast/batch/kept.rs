//! Files keep predictions as calls do, once for each chunk, whatever is scored again.

use super::*;
use crate::shop::{FADING, STEADY};
use churn::Churn;
use offline::predictions::{Days, read};
use serving::prediction_log::PredictionLog;

#[tokio::test]
async fn a_file_keeps_its_predictions_by_its_own_name() {
    let log = |bucket: &str| PredictionLog {
        bucket: bucket.to_owned(),
        share: 1.0,
        salt: "a secret of the small shop".to_owned(),
        with_ids: false,
    };
    let mut rig = Rig::<Churn>::new().await;
    let served = Arc::new(shop::served::<Churn>().await);
    let service = Service::new(filled().await, Ok(served));
    rig.releases.services[0].1 = Arc::new(service.keeping(Some(Arc::new(log(BUCKET)))));
    let file = format!("customer_id\n{STEADY}\n{FADING}\nnobody\n");
    assert_eq!(
        rig.scored("uploads/churn/a.csv", file.clone()).await,
        Outcome::Scored(counts(3, 0))
    );
    let every = Days::default();
    let kept = read(&rig.files, BUCKET, Churn::NAME, &every);
    let kept = kept.await.expect("memory");
    let names: Vec<&str> = kept.lines.iter().map(|line| &line.entity[..]).collect();
    assert_eq!(names, [STEADY, FADING].map(|id| log(BUCKET).name(id)));
    assert_eq!(kept.unreadable, 0);
    let before = Days {
        from: None,
        to: Some("2017-12-31".to_owned()),
    };
    let earlier = read(&rig.files, BUCKET, Churn::NAME, &before);
    assert_eq!(earlier.await.expect("memory").lines, []);
    // The same rows again, under another name: files of their own.
    rig.scored("uploads/churn/b.csv", file).await;
    let kept = read(&rig.files, BUCKET, Churn::NAME, &every);
    assert_eq!(kept.await.expect("memory").lines.len(), 4);
}
