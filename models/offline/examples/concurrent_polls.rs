//! The churn service behind N loops that each take a request at a time, in one process on one thread: `concurrent_polls N`. What an
//! environment of Lambda Managed Instances would do; elsewhere an environment has one request at a time, and the functions one loop.
//! `make bench` starts it.

use aws::clients::Clients;
use aws::config::Settings;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use features::time::Timestamp;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use offline::functions::churn::Churn;
use serde_json::value::RawValue;
use serving::registry::load_served;
use serving::service::Service;
use std::rc::Rc;
use tokio::task::{JoinSet, LocalSet};

fn main() -> Result<(), Error> {
    let count = std::env::args().nth(1).ok_or("usage: concurrent_polls N")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(count.parse()?))
}

async fn serve(count: usize) -> Result<(), Error> {
    let settings = Settings::from_environment()?;
    let clients = Clients::from_environment().await;
    let store = DynamoStore::new(clients.dynamo, settings.table);
    let artifacts = S3Artifacts::new(clients.s3, settings.model_bucket, "");
    let served = load_served::<Churn>(&artifacts, &store, None).await?;
    let service = Rc::new(Service::<Churn, _>::new(store, Ok(served.into())));
    let mut loops = JoinSet::new();
    for _ in 0..count {
        let service = Rc::clone(&service);
        let answer = move |event: LambdaEvent<Box<RawValue>>| answer(Rc::clone(&service), event);
        loops.spawn_local(Runtime::new(service_fn(answer)).run());
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    Ok(())
}

async fn answer(
    service: Rc<Service<Churn, DynamoStore>>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, Error> {
    let (body, id) = (event.payload.get().as_bytes(), &event.context.request_id);
    let answered = service
        .handle_direct(body, id, Timestamp(1_507_348_800))
        .await;
    let (body, _) = answered.map_err(|problem| format!("{problem:?}"))?;
    Ok(RawValue::from_string(body)?)
}
