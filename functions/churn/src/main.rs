//! The churn Lambda function: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::Error> {
    aws::run::<churn::Churn>().await
}
