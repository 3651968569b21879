//! Whether a token lets a caller in, as the JWT authorizer of API Gateway's HTTP APIs decides it.
//!
//! Source: API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers".
//!
//! ring checks the signature, which TLS brings anyway, and the rest is the page below. The crates for tokens would decide
//! less of it (a `client_id` in place of an audience, scopes) and bring a second set of ciphers.

use crate::stack::Failure;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No token, or one that is not right: 401.
    Unauthorized,
    /// A right token without the scope: 403.
    Forbidden,
}

/// What a token must say.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `iss`.
    pub issuer: String,
    /// One of `aud`, or `client_id` where there is no `aud`.
    pub audience: String,
    /// One of `scope` or `scp`; none is asked for without it.
    pub scope: Option<String>,
}

/// Rules, and the issuer's keys.
#[derive(Debug, Clone)]
pub struct Authorizer {
    rules: Rules,
    keys: Vec<Key>,
}

/// The keys of an issuer, RFC 7517.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// A public key for RSA signatures, its numbers in base64url.
#[derive(Debug, Clone, Deserialize)]
struct Key {
    kid: String,
    n: String,
    e: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    iss: Option<String>,
    aud: Option<Value>,
    client_id: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    scope: Option<Value>,
    scp: Option<Value>,
}

impl Authorizer {
    /// Rules, with the keys of the file `key_set` (JWKS).
    pub fn read(key_set: &Path, rules: Rules) -> Result<Self, Failure> {
        let told = |error: &dyn std::fmt::Display| format!("read {}: {error}", key_set.display());
        let text = std::fs::read_to_string(key_set).map_err(|error| told(&error))?;
        let set: KeySet = serde_json::from_str(&text).map_err(|error| told(&error))?;
        Ok(Self {
            rules,
            keys: set.keys,
        })
    }

    /// Whether what stands in the `authorization` header lets the caller in at `now_s`, seconds since 1970.
    pub fn check(&self, authorization: Option<&str>, now_s: f64) -> Result<(), Refusal> {
        let given = authorization.unwrap_or_default();
        let token = given.strip_prefix("Bearer ").unwrap_or(given);
        let claims = self.signed(token).ok_or(Refusal::Unauthorized)?;
        self.rules.check(&claims, now_s)
    }

    /// The claims of a token that one of the keys signed.
    fn signed(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = part(header)?;
        let key = self.keys.iter().find(|key| key.kid == header.kid)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let public = RsaPublicKeyComponents {
            n: BASE64_URL_SAFE_NO_PAD.decode(&key.n).ok()?,
            e: BASE64_URL_SAFE_NO_PAD.decode(&key.e).ok()?,
        };
        let how = parameters(&header.alg)?;
        public.verify(how, signed.as_bytes(), &signature).ok()?;
        part(claims)
    }
}

fn part<T: DeserializeOwned>(encoded: &str) -> Option<T> {
    let text = BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Only RSA: the gateway knows nothing else, and `none` least of all.
fn parameters(algorithm: &str) -> Option<&'static RsaParameters> {
    match algorithm {
        "RS256" => Some(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Some(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Some(&RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

impl Rules {
    fn check(&self, claims: &Claims, now_s: f64) -> Result<(), Refusal> {
        let begun = |at: Option<f64>| at.is_none_or(|at| at <= now_s);
        let is_of_us = claims.iss.as_deref() == Some(&self.issuer) && self.is_audience(claims);
        let is_in_time =
            claims.exp.is_some_and(|end| now_s < end) && begun(claims.nbf) && begun(claims.iat);
        if !is_of_us || !is_in_time {
            return Err(Refusal::Unauthorized);
        }
        let scopes = [&claims.scope, &claims.scp];
        match &self.scope {
            Some(wanted) if !scopes.into_iter().flatten().any(|s| names(s, wanted)) => {
                Err(Refusal::Forbidden)
            }
            _ => Ok(()),
        }
    }

    fn is_audience(&self, claims: &Claims) -> bool {
        match &claims.aud {
            // Words are of scopes; an audience is one whole text, or a list of them.
            Some(Value::String(audience)) => *audience == self.audience,
            Some(audiences) => names(audiences, &self.audience),
            None => claims.client_id.as_deref() == Some(&self.audience),
        }
    }
}

/// Whether a claim, a text of words or a list of texts, has `wanted` among them.
fn names(claim: &Value, wanted: &str) -> bool {
    match claim {
        Value::String(text) => text.split(' ').any(|word| word == wanted),
        Value::Array(list) => list.iter().any(|item| item == wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW_S: f64 = 1_800_000_000.0;

    fn check(scope: Option<&str>, changes: Value) -> Result<(), Refusal> {
        let rules = Rules {
            issuer: "https://issuer.example".to_owned(),
            audience: "shop".to_owned(),
            scope: scope.map(str::to_owned),
        };
        let mut claims =
            json!({ "iss": "https://issuer.example", "aud": "shop", "exp": NOW_S + 60.0 });
        let changes: serde_json::Map<String, Value> = serde_json::from_value(changes).unwrap();
        claims.as_object_mut().unwrap().extend(changes);
        rules.check(&serde_json::from_value(claims).unwrap(), NOW_S)
    }

    #[test]
    fn claims_let_in_as_the_gateway_says() {
        for right in [
            json!({}),
            json!({ "aud": ["other", "shop"] }),
            json!({ "aud": null, "client_id": "shop" }),
            json!({ "nbf": NOW_S, "iat": NOW_S - 1.0 }),
        ] {
            assert_eq!(check(None, right.clone()), Ok(()), "{right}");
        }
        for wrong in [
            json!({ "iss": "https://issuer.example/" }),
            json!({ "aud": "shop2" }),
            json!({ "aud": "other", "client_id": "shop" }),
            json!({ "exp": NOW_S }),
            json!({ "exp": null }),
            json!({ "nbf": NOW_S + 1.0 }),
            json!({ "iat": NOW_S + 1.0 }),
        ] {
            assert_eq!(
                check(None, wrong.clone()),
                Err(Refusal::Unauthorized),
                "{wrong}"
            );
        }
        for (claims, expected) in [
            (json!({ "scope": "a predict" }), Ok(())),
            (json!({ "scp": ["predict"] }), Ok(())),
            (json!({ "scope": "predictor" }), Err(Refusal::Forbidden)),
            (json!({}), Err(Refusal::Forbidden)),
            (
                json!({ "aud": "other", "scope": "predict" }),
                Err(Refusal::Unauthorized),
            ),
        ] {
            assert_eq!(check(Some("predict"), claims.clone()), expected, "{claims}");
        }
    }

    #[test]
    fn what_is_no_token_lets_nobody_in() {
        let authorizer = Authorizer {
            rules: Rules {
                issuer: String::new(),
                audience: String::new(),
                scope: None,
            },
            keys: vec![Key {
                kid: "k".to_owned(),
                n: "AQAB".to_owned(),
                e: "AQAB".to_owned(),
            }],
        };
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let unsigned = |algorithm: &str| {
            let header = encoded(&format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#));
            format!(
                "Bearer {header}.{}.",
                encoded(r#"{"iss":"","aud":"","exp":9e99}"#)
            )
        };
        for given in [
            String::new(),
            "Bearer ".to_owned(),
            "Bearer a.b.c".to_owned(),
            unsigned("none"),
            unsigned("RS256"),
        ] {
            assert_eq!(
                authorizer.check(Some(&given), 0.0),
                Err(Refusal::Unauthorized),
                "{given}"
            );
        }
        assert_eq!(authorizer.check(None, 0.0), Err(Refusal::Unauthorized));
    }
}
