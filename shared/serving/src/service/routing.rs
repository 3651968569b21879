//! From method and path to a route and its decoded parameters.

use super::HttpRequest;
use crate::error::{CallerError, Error};
use crate::route::{Parameters, Route, parameter};
use crate::wire::value_error;

/// The route of a call: 404 without a path that fits, 405 without the method.
pub(super) fn find<'a, R>(
    routes: &'a [Route<R>],
    http: &HttpRequest,
) -> Result<(&'a Route<R>, Parameters<'a>), Error> {
    let fitting: Vec<_> = routes
        .iter()
        .filter(|route| fits(route.path, &http.path))
        .collect();
    if fitting.is_empty() {
        return Err(CallerError::NoRoute {
            path: http.path.chars().take(100).collect(),
        }
        .into());
    }
    let Some(route) = fitting.iter().find(|route| route.method == http.method) else {
        let allowed: Vec<_> = fitting.iter().map(|route| route.method).collect();
        return Err(CallerError::Method {
            method: http.method.clone(),
            allowed: allowed.join(", "),
        }
        .into());
    };
    let parameters = Parameters {
        path: parameters(route.path, &http.path)?,
        query: http.query.clone(),
    };
    route.check(&parameters)?;
    Ok((route, parameters))
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(name), Some(segment)) if parameter(name).is_some() && !segment.is_empty() => {}
            (Some(name), Some(segment)) if name == segment => {}
            _ => return false,
        }
    }
}

fn parameters<'a>(template: &'a str, path: &str) -> Result<Vec<(&'a str, String)>, Error> {
    let pairs = template.split('/').zip(path.split('/'));
    pairs
        .filter_map(|(name, segment)| parameter(name).map(|name| (name, segment)))
        .map(|(name, segment)| {
            let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
            let text = decoded.map_err(|_| {
                value_error(name.to_owned(), "is not UTF-8 once decoded".to_owned())
            })?;
            Ok((name, text.into_owned()))
        })
        .collect()
}
