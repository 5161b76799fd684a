//! Owns the text of meta.properties: whose log directory this is. Keys it does not know are kept.
//!
//! ```text
//! version=1
//! cluster.id=MkU3OEVBNTcwNTJENDM2Qg
//! node.id=1
//! directory.id=22 characters of base64url
//! ```

use crate::Uuid;

pub(crate) const FILE_NAME: &str = "meta.properties";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster_id: Option<String>,
    pub node_id: Option<i32>,
    pub directory_id: Option<Uuid>,
    /// Keys of other versions or vendors, in file order.
    pub other: Vec<(String, String)>,
}

/// Why meta.properties cannot be read. It names a whole log directory, so a guess would be worse than stopping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaPropertiesError {
    NotText,
    UnknownVersion(String),
    BadValue { key: &'static str, value: String },
}

impl std::fmt::Display for MetaPropertiesError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MetaPropertiesError::NotText => write!(formatter, "it is not text"),
            MetaPropertiesError::UnknownVersion(version) => {
                write!(formatter, "its version is {version:?}, known are 0 and 1")
            }
            MetaPropertiesError::BadValue { key, value } => write!(formatter, "{key} is {value:?}"),
        }
    }
}

impl std::error::Error for MetaPropertiesError {}

impl MetaProperties {
    pub fn parse(text: &[u8]) -> Result<MetaProperties, MetaPropertiesError> {
        let text = std::str::from_utf8(text).map_err(|_| MetaPropertiesError::NotText)?;
        let mut properties = MetaProperties::default();
        let mut version = None;
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let (key, value) = split_property(line);
            match key.as_str() {
                "version" => version = Some(value),
                "cluster.id" => properties.cluster_id = Some(value),
                // Version 0 (ZooKeeper days) calls the node id broker.id.
                "node.id" | "broker.id" => {
                    let node_id = value.parse().map_err(|_| MetaPropertiesError::BadValue {
                        key: "node.id",
                        value,
                    })?;
                    properties.node_id = Some(node_id);
                }
                "directory.id" => {
                    let id = value.parse().map_err(|_| MetaPropertiesError::BadValue {
                        key: "directory.id",
                        value,
                    })?;
                    properties.directory_id = Some(id);
                }
                _ => properties.other.push((key, value)),
            }
        }
        match version.as_deref() {
            Some("0" | "1") => Ok(properties),
            version => Err(MetaPropertiesError::UnknownVersion(
                version.unwrap_or_default().to_owned(),
            )),
        }
    }

    /// Always version 1.
    pub fn to_text(&self) -> String {
        let mut text = String::from("#\nversion=1\n");
        let mut line = |key: &str, value: &str| {
            text.push_str(key);
            text.push('=');
            text.push_str(&escape(value));
            text.push('\n');
        };
        if let Some(cluster_id) = &self.cluster_id {
            line("cluster.id", cluster_id);
        }
        if let Some(node_id) = self.node_id {
            line("node.id", &node_id.to_string());
        }
        if let Some(directory_id) = self.directory_id {
            line("directory.id", &directory_id.to_string());
        }
        for (key, value) in &self.other {
            line(key, value);
        }
        text
    }
}

/// One line of a Java properties file: key and value apart at the first unescaped '=', ':' or blank, backslashes resolved.
fn split_property(line: &str) -> (String, String) {
    let mut key = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => key.extend(characters.next()),
            '=' | ':' => break,
            ' ' | '\t' => {
                let rest = characters.as_str().trim_start();
                characters = rest.strip_prefix(['=', ':']).unwrap_or(rest).chars();
                break;
            }
            other => key.push(other),
        }
    }
    let mut value = String::new();
    let mut characters = characters.as_str().trim_start().chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            value.extend(characters.next())
        } else {
            value.push(character)
        }
    }
    (key, value)
}

/// Backslashes, and what would end or split the line.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '\\' | '=' | ':' | '#' | '!') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_file_is_read() {
        let text = b"#\n#Thu Nov 19 10:00:00 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.id=1\nversion=1\n";
        let properties = MetaProperties::parse(text).expect("parse");
        assert_eq!(
            properties.cluster_id.as_deref(),
            Some("MkU3OEVBNTcwNTJENDM2Qg")
        );
        assert_eq!(properties.node_id, Some(1));
        assert_eq!(
            properties.directory_id,
            "AAAAAAAAAAAAAAAAAAAAAQ".parse().ok()
        );
    }

    #[test]
    fn unknown_keys_and_escapes_survive_a_rewrite() {
        let properties = MetaProperties {
            cluster_id: Some("a=b:c\\d".to_owned()),
            node_id: Some(0),
            directory_id: Some(Uuid([9; 16])),
            other: vec![("vendor.key".to_owned(), "x y".to_owned())],
        };
        assert_eq!(
            MetaProperties::parse(properties.to_text().as_bytes()),
            Ok(properties)
        );
    }

    #[test]
    fn version_0_names_the_node_broker() {
        let properties = MetaProperties::parse(b"version = 0\nbroker.id: 5\n").expect("parse");
        assert_eq!(properties.node_id, Some(5));
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        assert_eq!(
            MetaProperties::parse(b""),
            Err(MetaPropertiesError::UnknownVersion(String::new()))
        );
        assert_eq!(
            MetaProperties::parse(b"version=2\n"),
            Err(MetaPropertiesError::UnknownVersion("2".to_owned()))
        );
        assert_eq!(
            MetaProperties::parse(&[0xff, 0xfe]),
            Err(MetaPropertiesError::NotText)
        );
        let bad = MetaPropertiesError::BadValue {
            key: "node.id",
            value: "x".to_owned(),
        };
        assert_eq!(MetaProperties::parse(b"version=1\nnode.id=x\n"), Err(bad));
    }
}
