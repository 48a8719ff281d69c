//! The service model's facts, and JSON instances made from them.

use serde_json::{Map, Value, json};

/// `schemas/bedrock-runtime.json`.
pub(super) struct Model(Value);

/// A place in an instance: where one shape stands.
pub(super) struct Site {
    /// Where, as a JSON pointer into `root`.
    pub(super) pointer: String,
    /// The shape that stands there.
    pub(super) shape: String,
    /// The smallest instance that has this place; what stands in it is valid.
    pub(super) root: Value,
}

impl Site {
    /// The instance with `value` in this place.
    pub(super) fn with(&self, value: Value) -> Value {
        let mut root = self.root.clone();
        *root.pointer_mut(&self.pointer).unwrap() = value;
        root
    }

    /// The place as our messages name it.
    pub(super) fn path(&self) -> String {
        self.pointer.trim_start_matches('/').replace('/', ".")
    }
}

impl Model {
    pub(super) fn load() -> Self {
        Self(serde_json::from_str(include_str!("../../../schemas/bedrock-runtime.json")).unwrap())
    }

    /// The same model after `change`: to show that a difference is found.
    pub(super) fn doctored(change: impl FnOnce(&mut Value)) -> Self {
        let mut model = Self::load();
        change(&mut model.0);
        model
    }

    pub(super) fn operation(&self, name: &str) -> &Value {
        &self.0["operations"][name]
    }

    pub(super) fn shape(&self, name: &str) -> &Map<String, Value> {
        self.0["shapes"][name].as_object().unwrap_or_else(|| panic!("no shape {name}"))
    }

    pub(super) fn shapes(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0["shapes"].as_object().unwrap().iter()
    }

    pub(super) fn kind(&self, name: &str) -> &str {
        let shape = self.shape(name);
        if shape.contains_key("document") { "document" } else { shape["type"].as_str().unwrap() }
    }

    pub(super) fn is_union(&self, name: &str) -> bool {
        let shape = self.shape(name);
        shape.contains_key("union") || shape.contains_key("eventstream")
    }

    /// The members that travel in the body, with their shapes.
    pub(super) fn members(&self, name: &str) -> Vec<(&str, &str)> {
        let Some(members) = self.shape(name).get("members") else { return vec![] };
        members
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, member)| member.get("location").is_none())
            .map(|(member, of)| (member.as_str(), of["shape"].as_str().unwrap()))
            .collect()
    }

    pub(super) fn required(&self, name: &str) -> Vec<&str> {
        let located = self.members(name);
        let required = self.shape(name).get("required").and_then(Value::as_array);
        required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|member| located.iter().any(|(name, _)| name == member))
            .collect()
    }

    /// The shape of a list's or a map's elements.
    pub(super) fn element(&self, name: &str) -> &str {
        let shape = self.shape(name);
        shape.get("member").or_else(|| shape.get("value")).unwrap()["shape"].as_str().unwrap()
    }

    pub(super) fn strings(&self, name: &str, key: &str) -> Vec<&str> {
        let list = self.shape(name).get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(super) fn limit(&self, name: &str, key: &str) -> Option<i64> {
        self.shape(name).get(key).and_then(Value::as_i64)
    }

    /// The same of what has a length.
    pub(super) fn length(&self, name: &str, key: &str) -> Option<usize> {
        self.limit(name, key).and_then(|limit| usize::try_from(limit).ok())
    }

    /// The smallest valid instance.
    pub(super) fn minimal(&self, name: &str) -> Value {
        match self.kind(name) {
            "structure" if self.is_union(name) => {
                let (member, shape) = self.members(name)[0];
                json!({ member: self.minimal(shape) })
            }
            "structure" => self.structure(name, &self.required(name)),
            "list" => {
                let few = self.length(name, "min").is_some_and(|min| min > 0);
                if few { json!([self.minimal(self.element(name))]) } else { json!([]) }
            }
            _ => self.scalars(name).remove(0),
        }
    }

    fn structure(&self, name: &str, members: &[&str]) -> Value {
        let of = self.members(name);
        let member = |wanted: &&str| {
            let (_, shape) = of.iter().find(|(name, _)| name == wanted).unwrap();
            ((*wanted).to_owned(), self.minimal(shape))
        };
        Value::Object(members.iter().map(member).collect())
    }

    /// Valid instances that differ at the top: every enum value, both ends of every limit, all
    /// members and none; what is below them comes from [`Model::sites`].
    pub(super) fn valid(&self, name: &str) -> Vec<Value> {
        match self.kind(name) {
            "structure" if self.is_union(name) => {
                let arm = |(member, shape): (&str, &str)| json!({ member: self.minimal(shape) });
                self.members(name).into_iter().map(arm).collect()
            }
            "structure" => {
                let all: Vec<_> = self.members(name).into_iter().map(|(name, _)| name).collect();
                vec![self.minimal(name), self.structure(name, &all)]
            }
            "list" => {
                let element = self.minimal(self.element(name));
                let most = self.length(name, "max").unwrap_or(2);
                vec![self.minimal(name), Value::Array(vec![element; most])]
            }
            "map" => {
                let value = self.minimal(self.element(name));
                let most = self.length(name, "max").unwrap_or(2);
                let key = |at: usize| (format!("key-{at}"), value.clone());
                vec![json!({}), Value::Object((0..most).map(key).collect())]
            }
            _ => self.scalars(name),
        }
    }

    /// Valid values of what has no members.
    fn scalars(&self, name: &str) -> Vec<Value> {
        match self.kind(name) {
            "string" if self.shape(name).contains_key("enum") => {
                self.strings(name, "enum").into_iter().map(Value::from).collect()
            }
            "string" => self.texts(name).into_iter().map(Value::from).collect(),
            "blob" => vec![json!("AQID"), json!("/+8=")],
            "boolean" => vec![json!(true), json!(false)],
            "integer" => {
                let least = self.limit(name, "min").unwrap_or(0); // counts without a limit are none below 0
                let most = self.limit(name, "max").unwrap_or(i32::MAX.into());
                vec![json!(least), json!(most), json!(7.clamp(least, most))]
            }
            "long" => vec![json!(753), json!(4_102_444_800_000_i64)],
            "float" | "double" => vec![json!(0.1), json!(0.0), json!(1.0), json!(0.7)],
            "document" => vec![
                json!({"z": [1, -2.5, "three", null, true], "a": {"deep": {"er": []}}}),
                json!({}),
                json!([1, [2]]),
                json!("text"),
                json!(42),
                json!(false),
            ],
            "map" => vec![json!({})],
            other => panic!("{name} is a {other}"),
        }
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let most = self.length(name, "max");
        let long = |start: &str, fill: &str, most: usize| {
            format!("{start}{}", fill.repeat(most - start.chars().count()))
        };
        let pattern = self.shape(name).get("pattern").and_then(Value::as_str).unwrap_or_default();
        match (name, most) {
            // JSON pointers, which the model does not say.
            (_, Some(256)) if pattern.is_empty() => vec!["/a/0/~01".into(), long("/", "é", 256)],
            // Names of documents have a rule of their own, which the model does not say either.
            (_, Some(200)) => vec!["Report (1) [a]-b".into(), long("", "n", 200)],
            _ if pattern.starts_with("s3://") => {
                vec!["s3://my-bucket".into(), long("s3://b.c-d/", "é", 1024)]
            }
            _ if pattern == "[0-9]{12}" => vec!["123456789012".into()],
            _ if pattern.starts_with("(|([a-z0-9]+)|(arn:aws") => vec![
                "abc123".into(),
                String::new(),
                "arn:aws-cn:bedrock:cn-north-1:123456789012:guardrail/abc123".into(),
                long("", "a", 2048),
            ],
            _ if pattern == "(|([1-9][0-9]{0,7})|(DRAFT))" => {
                vec!["DRAFT".into(), String::new(), "1".into(), "12345678".into()]
            }
            _ if pattern.contains("\\s:_@$#=/+,-.") => {
                vec!["aA0 :_@$#=/+,-.\t".into(), long("", "v", 256)]
            }
            _ if pattern == "[a-zA-Z0-9_.:-]+" => vec!["aZ0_.:-".into(), long("", "i", 64)],
            _ if pattern == "[a-zA-Z0-9_-]+" => vec!["aZ0_-".into(), long("", "n", 64)],
            (_, Some(most)) => vec!["x".into(), long("", "字", most)],
            (_, None) => vec!["x".into(), "贺兰 \"\\/\n\u{1f6e1}\u{0}".into()],
        }
    }

    /// Every place that can be reached from the shape `name`, each in its smallest instance.
    pub(super) fn sites(&self, name: &str) -> Vec<Site> {
        let mut sites = vec![];
        self.visit(name, String::new(), self.minimal(name), &mut sites);
        sites
    }

    fn visit(&self, name: &str, pointer: String, root: Value, sites: &mut Vec<Site>) {
        let site = Site { pointer, shape: name.to_owned(), root };
        let below = |step: &str| format!("{}/{step}", site.pointer);
        match self.kind(name) {
            "structure" => {
                for (member, shape) in self.members(name) {
                    let mut value = match site.root.pointer(&site.pointer) {
                        Some(Value::Object(members)) if !self.is_union(name) => members.clone(),
                        _ => Map::new(),
                    };
                    value.entry(member).or_insert_with(|| self.minimal(shape));
                    let root = site.with(Value::Object(value));
                    self.visit(shape, below(member), root, sites);
                }
            }
            "list" => {
                let element = self.element(name);
                let root = site.with(json!([self.minimal(element)]));
                self.visit(element, below("0"), root, sites);
            }
            "map" => {
                let element = self.element(name);
                let root = site.with(json!({ "key": self.minimal(element) }));
                self.visit(element, below("key"), root, sites);
            }
            _ => {}
        }
        sites.push(site);
    }
}
