//! How S3 and DynamoDB are reached: endpoints, time limits, retries.

use crate::config;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use std::time::Duration;

/// The access key of servers that stand in for AWS on this machine.
pub const LOCAL_ACCESS_KEY: &str = "local";
/// Its secret; it guards nothing, the servers listen on this machine only.
pub const LOCAL_SECRET_KEY: &str = "local-secret";
/// The region of servers that stand in for AWS.
pub const LOCAL_REGION: &str = "eu-central-1";

/// Both clients, from one configuration, so that they share credentials and connections' settings.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For the bucket of models.
    pub s3: aws_sdk_s3::Client,
    /// For the table.
    pub dynamo: aws_sdk_dynamodb::Client,
    /// Where new buckets are made.
    pub region: String,
}

impl Clients {
    /// The SDK's own settings decide: `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL_DYNAMODB`, credentials.
    pub async fn from_environment() -> Self {
        let sdk = limited(aws_config::defaults(BehaviorVersion::latest()))
            .load()
            .await;
        Self::of(
            &sdk,
            aws_sdk_s3::config::Builder::from(&sdk)
                .force_path_style(config::s3_endpoint_is_overridden()),
        )
    }

    /// Servers that stand in for AWS, for example `http://127.0.0.1:9000`, with made-up credentials.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// let connect = aws::clients::Clients::at("http://127.0.0.1:9000", "http://127.0.0.1:8000");
    /// assert_eq!(runtime.block_on(connect).region, "eu-central-1");
    /// ```
    pub async fn at(s3: &str, dynamo: &str) -> Self {
        let credentials =
            Credentials::new(LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY, None, None, "stand-in");
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static(LOCAL_REGION))
            .credentials_provider(credentials);
        let sdk = limited(loader).load().await;
        let mut clients = Self::of(
            &sdk,
            aws_sdk_s3::config::Builder::from(&sdk)
                .endpoint_url(s3)
                .force_path_style(true),
        );
        let dynamo = aws_sdk_dynamodb::config::Builder::from(&sdk)
            .endpoint_url(dynamo)
            .build();
        clients.dynamo = aws_sdk_dynamodb::Client::from_conf(dynamo);
        clients
    }

    fn of(sdk: &SdkConfig, s3: aws_sdk_s3::config::Builder) -> Self {
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            dynamo: aws_sdk_dynamodb::Client::new(sdk),
            region: sdk
                .region()
                .map_or_else(String::new, |r| r.as_ref().to_owned()),
        }
    }
}

/// Limits under which a request that will fail does so well before the gateway gives up at 30 s.
///
/// Three attempts of at most 3 s and two pauses of at most 1 s make 11 s.
fn limited(loader: ConfigLoader) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(11))
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_max_backoff(Duration::from_secs(1));
    loader
        .timeout_config(timeouts)
        .retry_config(retries)
        .http_client(https())
}

/// The SDK's default HTTP client, with ring instead of AWS-LC below its TLS: that one is a minute of C to build, larger,
/// and gathers entropy at every cold start. Proxies come from the environment, as the SDK's default takes them.
///
/// The machine's root certificates, some 150, are parsed once per process. The SDK also makes a connector of every client that it
/// checks, without settings, and drops it: that one trusts nobody, so it has nothing to parse.
fn https() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector =
            ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::Ring));
        if settings.is_none()
            && let Ok(trusts_nobody) = TlsContext::builder()
                .with_trust_store(TrustStore::empty())
                .build()
        {
            connector.set_tls_context(trusts_nobody);
        }
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}
