//! The compose files as Compose itself reads them: variables filled in, files merged by its rules with
//! `!reset` and `!override`, and the keys checked that it would refuse.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::{Map, Value as Json};
use yaml_serde::Value as Yaml;

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub const BASE: &str = "docker-compose.yml";
pub const PRODUCTION: &str = "docker-compose.prod.yml";

/// What a file may say of a service here. A key that is not listed is looked up in Compose's reference
/// first: it refuses files with keys that it does not know.
const SERVICE_KEYS: [&str; 23] = [
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "deploy",
    "entrypoint",
    "environment",
    "healthcheck",
    "image",
    "logging",
    "networks",
    "ports",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "tmpfs",
    "user",
    "volumes",
    "labels",
    "profiles",
];
const TOP_KEYS: [&str; 5] = ["name", "networks", "secrets", "services", "volumes"];
const HEALTH_KEYS: [&str; 6] = ["disable", "interval", "retries", "start_period", "test", "timeout"];

/// The merged files.
#[derive(Debug)]
pub struct Project {
    pub services: BTreeMap<String, Service>,
    /// By name, whether it is without a way out.
    pub networks: BTreeMap<String, bool>,
    /// The secrets' files, relative to the repository.
    pub secrets: BTreeMap<String, String>,
    /// All variables that the files ask for.
    pub variables: BTreeSet<String>,
}

#[derive(Debug)]
pub struct Service {
    pub raw: Json,
    pub environment: BTreeMap<String, String>,
    pub command: Vec<String>,
    /// Published port and the one inside.
    pub ports: Vec<(u16, u16)>,
    /// Other services, and in which state they must be.
    pub depends_on: BTreeMap<String, String>,
    pub networks: BTreeSet<String>,
    /// Name of the secret, and of its file in `/run/secrets`.
    pub secrets: Vec<(String, String)>,
}

impl Service {
    /// Whether it is made from our image.
    pub fn is_ours(&self) -> bool {
        self.raw["build"].is_object()
    }

    pub fn texts(&self, key: &str) -> Vec<String> {
        texts(&self.raw[key])
    }
}

impl Project {
    /// Reads these files with these variables, as `docker compose -f … -f … config` does.
    pub fn load(files: &[&str], variables: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut merged = None;
        let mut asked = BTreeSet::new();
        for name in files {
            let text =
                std::fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"))?;
            let document = parse(&text, variables, &mut asked).map_err(|error| format!("{name}: {error}"))?;
            merged = merge(merged, &document, &[]);
        }
        let merged = merged.ok_or("no file says anything")?;
        Self::read(&merged, asked)
    }

    fn read(merged: &Json, variables: BTreeSet<String>) -> Result<Self, String> {
        check_keys("the file", merged, &TOP_KEYS)?;
        let named = |key: &str| merged[key].as_object().cloned().unwrap_or_default();
        let mut services = BTreeMap::new();
        for (name, raw) in named("services") {
            services.insert(name.clone(), read_service(&name, &raw)?);
        }
        let networks =
            named("networks").into_iter().map(|(name, it)| (name, it["internal"] == true)).collect();
        let secrets = named("secrets")
            .into_iter()
            .map(|(name, secret)| {
                let file = secret["file"].as_str().ok_or(format!("the secret {name} has no file"))?;
                Ok((name, file.to_owned()))
            })
            .collect::<Result<_, String>>()?;
        let project = Self { services, networks, secrets, variables };
        project.check_references(&named("volumes"))?;
        Ok(project)
    }

    fn check_references(&self, volumes: &Map<String, Json>) -> Result<(), String> {
        for (name, service) in &self.services {
            for (other, condition) in &service.depends_on {
                let other =
                    self.services.get(other).ok_or(format!("{name} waits for {other}, which is none"))?;
                let has_health = other.is_ours() || other.raw["healthcheck"]["test"].is_array();
                let is_off = other.raw["healthcheck"]["disable"] == true;
                let fits = match condition.as_str() {
                    "service_healthy" => has_health && !is_off,
                    "service_completed_successfully" => other.raw["restart"] == "no",
                    _ => false,
                };
                if !fits {
                    return Err(format!("{name} waits for what never comes: {condition}"));
                }
            }
            for network in service.networks.iter().filter(|network| *network != "default") {
                if !self.networks.contains_key(network) {
                    return Err(format!("{name}: there is no network {network}"));
                }
            }
            for (secret, _) in &service.secrets {
                if !self.secrets.contains_key(secret) {
                    return Err(format!("{name}: there is no secret {secret}"));
                }
            }
            for volume in service.texts("volumes") {
                let source = volume.split(':').next().unwrap_or_default();
                if !source.starts_with('.') && !volumes.contains_key(source) {
                    return Err(format!("{name}: there is no volume {source}"));
                }
            }
        }
        Ok(())
    }

    /// In an order in which each comes after what it waits for.
    pub fn in_order(&self) -> Vec<&str> {
        let mut order: Vec<&str> = Vec::new();
        while order.len() < self.services.len() {
            let next = self.services.iter().find(|(name, service)| {
                !order.contains(&name.as_str())
                    && service.depends_on.keys().all(|other| order.contains(&other.as_str()))
            });
            let (name, _) = next.expect("services do not wait for each other in a circle");
            order.push(name);
        }
        order
    }
}

fn read_service(name: &str, raw: &Json) -> Result<Service, String> {
    check_keys(name, raw, &SERVICE_KEYS)?;
    if let Some(health) = raw.get("healthcheck") {
        check_keys(&format!("{name}, healthcheck"), health, &HEALTH_KEYS)?;
    }
    let object = |key: &str| raw[key].as_object().cloned().unwrap_or_default();
    let environment = object("environment").into_iter().map(|(key, value)| (key, text(&value))).collect();
    let ports = texts(&raw["ports"])
        .iter()
        .map(|port| {
            let (outside, inside) =
                port.split_once(':').ok_or(format!("{name}: {port} is no pair of ports"))?;
            let number = |text: &str| text.parse().map_err(|error| format!("{name}: {port}: {error}"));
            Ok((number(outside)?, number(inside)?))
        })
        .collect::<Result<_, String>>()?;
    let mut networks: BTreeSet<String> = object("networks").into_iter().map(|(name, _)| name).collect();
    if networks.is_empty() {
        networks.insert("default".to_owned());
    }
    let secrets = raw["secrets"].as_array().into_iter().flatten();
    Ok(Service {
        environment,
        command: texts(&raw["command"]),
        ports,
        depends_on: object("depends_on")
            .into_iter()
            .map(|(other, it)| (other, text(&it["condition"])))
            .collect(),
        networks,
        secrets: secrets
            .map(|secret| match secret.as_str() {
                Some(name) => (name.to_owned(), name.to_owned()),
                None => (text(&secret["source"]), text(&secret["target"])),
            })
            .collect(),
        raw: raw.clone(),
    })
}

fn check_keys(place: &str, found: &Json, known: &[&str]) -> Result<(), String> {
    let found = found.as_object().ok_or(format!("{place} is no mapping"))?;
    match found.keys().find(|key| !key.starts_with("x-") && !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{place}: the key {key} is not known")),
        None => Ok(()),
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Json) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn parse(
    text: &str,
    variables: &BTreeMap<String, String>,
    asked: &mut BTreeSet<String>,
) -> Result<Yaml, String> {
    let mut document: Yaml = yaml_serde::from_str(text).map_err(|error| error.to_string())?;
    document.apply_merge().map_err(|error| error.to_string())?;
    fill_in(&mut document, variables, asked)?;
    Ok(document)
}

fn fill_in(
    node: &mut Yaml,
    variables: &BTreeMap<String, String>,
    asked: &mut BTreeSet<String>,
) -> Result<(), String> {
    match node {
        Yaml::String(text) => *text = interpolate(text, variables, asked)?,
        Yaml::Sequence(items) => items.iter_mut().try_for_each(|item| fill_in(item, variables, asked))?,
        Yaml::Mapping(map) => map.values_mut().try_for_each(|value| fill_in(value, variables, asked))?,
        Yaml::Tagged(tagged) => fill_in(&mut tagged.value, variables, asked)?,
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => {}
    }
    Ok(())
}

/// `${NAME}`, `${NAME:-default}`, `${NAME:?why}`, defaults with variables in them, and `$$`.
fn interpolate(
    text: &str,
    variables: &BTreeMap<String, String>,
    asked: &mut BTreeSet<String>,
) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let body = after.strip_prefix('{').ok_or(format!("{text}: a variable without braces"))?;
        let end = closing_brace(body).ok_or(format!("{text}: a brace is not closed"))?;
        let (expression, after) = (&body[..end], &body[end + 1..]);
        let name_end = expression.find([':', '?', '-', '+']).unwrap_or(expression.len());
        let (name, operation) = expression.split_at(name_end);
        asked.insert(name.to_owned());
        let value = variables.get(name).filter(|value| !value.is_empty());
        match (value, operation) {
            (Some(value), _) => filled.push_str(value),
            (None, "") => return Err(format!("{name} has no default")),
            (None, operation) => {
                if let Some(default) = operation.strip_prefix(":-") {
                    filled.push_str(&interpolate(default, variables, asked)?);
                } else if let Some(why) = operation.strip_prefix(":?") {
                    return Err(format!("{name} is missing: {why}"));
                } else {
                    return Err(format!("{text}: {operation} is not used here"));
                }
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Puts `over` on top of what earlier files said; None when it takes that away.
fn merge(base: Option<Json>, over: &Yaml, path: &[&str]) -> Option<Json> {
    match over {
        Yaml::Tagged(tagged) if tagged.tag == "reset" => None,
        Yaml::Tagged(tagged) if tagged.tag == "override" => merge(None, &tagged.value, path),
        Yaml::Tagged(tagged) => panic!("{}: an unknown tag {}", path.join("."), tagged.tag),
        Yaml::Mapping(map) => {
            let mut merged = match base {
                Some(Json::Object(base)) => base,
                _ => Map::new(),
            };
            for (key, value) in map {
                let key = key.as_str().expect("all keys are texts");
                let path: Vec<&str> = path.iter().copied().chain([key]).collect();
                let base = merged.remove(key);
                if let Some(value) = merge(base, value, &path) {
                    merged.insert(key.to_owned(), value);
                }
            }
            Some(Json::Object(merged))
        }
        Yaml::Sequence(items) => Some(merge_list(base, items, path)),
        scalar => Some(yaml_serde::from_value(scalar.clone()).expect("a scalar is the same in JSON")),
    }
}

fn merge_list(base: Option<Json>, items: &[Yaml], path: &[&str]) -> Json {
    let items: Vec<Json> = items.iter().filter_map(|item| merge(None, item, &["item"])).collect();
    let of_service = path.len() == 3 && path[0] == "services";
    match path.last().copied() {
        // Written as lists, these are mappings all the same.
        Some("networks" | "depends_on") if of_service => {
            let mut merged = base.and_then(|base| base.as_object().cloned()).unwrap_or_default();
            merged.extend(items.iter().map(|item| (text(item), Json::Null)));
            Json::Object(merged)
        }
        // A later one takes the place of an earlier one.
        Some("command" | "entrypoint" | "test") => Json::Array(items),
        _ => {
            let mut merged = base.and_then(|base| base.as_array().cloned()).unwrap_or_default();
            for item in items {
                if !merged.contains(&item) {
                    merged.push(item);
                }
            }
            Json::Array(merged)
        }
    }
}

fn merged(files: &[&str]) -> Json {
    let mut asked = BTreeSet::new();
    let documents = files.iter().map(|text| parse(text, &BTreeMap::new(), &mut asked).unwrap());
    documents.fold(None, |base, document| merge(base, &document, &[])).unwrap()
}

#[test]
fn files_are_merged_by_the_rules_of_compose() {
    let base = "services: { web: { ports: ['3000:3000'], command: [a, b], environment: { A: 1, B: x } } }";
    let ports = |over: &str| merged(&[base, over])["services"]["web"].get("ports").cloned();
    assert_eq!(ports("services: { web: { ports: [] } }"), Some(serde_json::json!(["3000:3000"])));
    assert_eq!(ports("services: { web: { ports: !reset [] } }"), None);
    assert_eq!(ports("services: { web: { ports: !override ['1:1'] } }"), Some(serde_json::json!(["1:1"])));
    let over = "services: { web: { command: [c], networks: [n], environment: { B: '', C: z } } }";
    assert_eq!(
        merged(&[base, over])["services"]["web"],
        serde_json::json!({
            "ports": ["3000:3000"],
            "command": ["c"],
            "networks": { "n": null },
            "environment": { "A": 1, "B": "", "C": "z" },
        })
    );
}

#[test]
fn variables_have_defaults_within_defaults() {
    let set = BTreeMap::from([("USER".to_owned(), "ada".to_owned()), ("EMPTY".to_owned(), String::new())]);
    let fill = |text: &str| interpolate(text, &set, &mut BTreeSet::new());
    assert_eq!(fill("${URL:-p://${USER:-x}:${PASS:-y}@db/$$}").as_deref(), Ok("p://ada:y@db/$"));
    assert_eq!(fill("${EMPTY:-d}").as_deref(), Ok("d"));
    assert_eq!(fill("${PASS:?set it}"), Err("PASS is missing: set it".to_owned()));
}
