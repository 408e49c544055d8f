//! Variables of the environment as settings.
//!
//! `STRAUM_` and a name in capitals, underscores for dots, is that setting: `STRAUM_NUM_STREAM_THREADS` is `num.stream.threads`.
//! NAIS' own variables are taken as the platform gives them; a `STRAUM_` variable of the same setting stands over them.

/// Variables of the `straum` command that are no settings.
const OF_THE_COMMAND: &[&str] = &["STRAUM_DATA"];

/// NAIS' variables and the settings they are. Key store and trust store of the platform are for the JVM: the same keys lie in the
/// PEM files beside them.
const NAIS: &[(&str, &str)] = &[
    ("KAFKA_BROKERS", "bootstrap.servers"),
    ("KAFKA_CA_PATH", "ssl.ca.location"),
    ("KAFKA_CERTIFICATE_PATH", "ssl.certificate.location"),
    ("KAFKA_PRIVATE_KEY_PATH", "ssl.key.location"),
    ("KAFKA_SCHEMA_REGISTRY", "schema.registry.url"),
    ("KAFKA_STREAMS_APPLICATION_ID", "application.id"),
];

const REGISTRY_USER: &str = "KAFKA_SCHEMA_REGISTRY_USER";
const REGISTRY_PASSWORD: &str = "KAFKA_SCHEMA_REGISTRY_PASSWORD";

/// A setting, and the variable it is from.
pub(super) type Found = (String, String, String);

/// The settings among these variables, those that stand over others after them.
pub(super) fn settings(variables: &[(String, String)]) -> Vec<Found> {
    let value = |name: &str| variables.iter().find(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| value.clone());
    let mut found: Vec<Found> =
        NAIS.iter().filter_map(|(variable, setting)| Some(((*setting).to_owned(), value(variable)?, (*variable).to_owned()))).collect();
    // The platform lets in by certificate alone.
    if let Some((_, _, variable)) = found.iter().find(|(setting, ..)| setting.starts_with("ssl.")) {
        found.push(("security.protocol".to_owned(), "SSL".to_owned(), variable.clone()));
    }
    if let Some((user, password)) = value(REGISTRY_USER).zip(value(REGISTRY_PASSWORD)) {
        found.push(("basic.auth.user.info".to_owned(), format!("{user}:{password}"), REGISTRY_USER.to_owned()));
    }
    let own = variables.iter().filter(|(name, _)| !OF_THE_COMMAND.contains(&name.as_str()));
    found.extend(own.filter_map(|(name, value)| {
        let setting = name.strip_prefix("STRAUM_")?.to_ascii_lowercase().replace('_', ".");
        Some((setting, value.clone(), name.clone()))
    }));
    found
}
