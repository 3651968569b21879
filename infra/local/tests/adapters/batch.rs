//! Files and claims over the wire.

use super::Stack;
use aws::claims::DynamoClaims;
use aws::uploaded_files::UploadedFiles;
use serving::batch::claim::claim_key;
use serving::batch::ports::FilePlace;
use serving::batch::{ClaimStore, FileStore};
use serving::conformance;

#[tokio::test]
async fn uploaded_files_conform() {
    let stack = Stack::start().await;
    let files = UploadedFiles::new(&stack.clients);
    conformance::batch::files(&files, "models").await;
    conformance::batch::archive(&files, "models").await;
}

#[tokio::test]
async fn dynamo_claims_conform() {
    let stack = Stack::start().await;
    let claims = DynamoClaims::new(stack.clients.dynamo.clone(), "storecast");
    conformance::batch::claims(&claims).await;
}

#[tokio::test]
async fn a_store_that_is_away_is_named_and_the_key_is_not() {
    let stack = Stack::start().await;
    let files = UploadedFiles::new(&stack.clients);
    let claims = DynamoClaims::new(stack.clients.dynamo.clone(), "storecast");
    stack.s3.stop().await;
    stack.dynamo.stop().await;
    let place = FilePlace {
        bucket: "models".to_owned(),
        key: "uploads/churn/jane doe.csv".to_owned(),
    };
    let errors = [
        files.head_file(&place, None).await.unwrap_err().to_string(),
        claims
            .get_claim(&claim_key("churn", &place))
            .await
            .unwrap_err()
            .to_string(),
    ];
    assert!(
        errors[0].starts_with(&format!("head file {}", place.token())),
        "{errors:?}"
    );
    assert!(
        errors[1].starts_with("get claims in DynamoDB table storecast"),
        "{errors:?}"
    );
    assert!(!errors.concat().contains("jane"), "{errors:?}");
}
