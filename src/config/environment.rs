//! The process environment. Nothing else in the program reads it.
#![allow(clippy::disallowed_methods, reason = "the environment is read here, and only here")]

use std::fmt;

use super::model::Secret;

/// Where environment variables come from.
pub trait Environment: fmt::Debug {
    /// Value of a variable that is set, not empty, and text.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        // `std::env::var` panics on such names.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

/// The proxy that downloads go through, as other programs find it, and the hosts that need none.
#[must_use]
pub fn proxy(environment: &dyn Environment) -> (Option<Secret>, Vec<String>) {
    let either = |name: &str| environment.var(name).or_else(|| environment.var(&name.to_ascii_lowercase()));
    let address = ["HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY"].into_iter().find_map(either).map(Secret::new);
    let except = either("NO_PROXY").unwrap_or_default();
    let except = except.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned);
    (address, except.collect())
}

/// A fixed set of variables.
impl Environment for std::collections::BTreeMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_proxy_is_found_under_its_usual_names() {
        let find = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            proxy(&variables.collect::<BTreeMap<_, _>>())
        };
        assert_eq!(find(&[]), (None, Vec::new()));
        let both = [("http_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2"), ("no_proxy", "localhost, .example ,")];
        let hosts = vec!["localhost".to_owned(), ".example".to_owned()];
        assert_eq!(find(&both), (Some(Secret::new("http://b:2".to_owned())), hosts));
        assert_eq!(find(&[("HTTP_PROXY", "")]), (None, Vec::new()));
    }
}
