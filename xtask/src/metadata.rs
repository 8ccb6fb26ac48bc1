//! What cargo says about the workspace.

use std::path::PathBuf;

use serde_json::Value;

use crate::{Error, cargo, output};

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The crates of the workspace it depends on.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency of a crate.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Only its tests, examples and benches depend on it.
    pub(crate) dev: bool,
}

/// The workspace.
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Metadata, Error> {
        let arguments = ["metadata", "--no-deps", "--format-version=1"];
        Metadata::parse(&output(cargo().args(arguments))?)
    }

    fn parse(json: &str) -> Result<Metadata, Error> {
        let json: Value = serde_json::from_str(json)?;
        let target = text(&json["target_directory"])?.into();
        let packages = list(&json["packages"])?.iter().map(package).collect();
        let packages: Result<Vec<Package>, Error> = packages;
        let mut packages = packages?;
        let members: Vec<String> = packages
            .iter()
            .map(|package| package.name.clone())
            .collect();
        for package in &mut packages {
            package
                .dependencies
                .retain(|dependency| members.contains(&dependency.name));
        }
        Ok(Metadata { packages, target })
    }
}

fn package(json: &Value) -> Result<Package, Error> {
    let dependencies: Result<Vec<Dependency>, Error> = list(&json["dependencies"])?
        .iter()
        .map(dependency)
        .collect();
    Ok(Package {
        name: text(&json["name"])?,
        dependencies: dependencies?,
    })
}

fn dependency(json: &Value) -> Result<Dependency, Error> {
    Ok(Dependency {
        name: text(&json["name"])?,
        dev: json["kind"] == "dev",
    })
}

fn list(json: &Value) -> Result<&Vec<Value>, Error> {
    json.as_array()
        .ok_or_else(|| "cargo metadata does not have the form it should".into())
}

fn text(json: &Value) -> Result<String, Error> {
    json.as_str()
        .map(str::to_owned)
        .ok_or_else(|| "cargo metadata does not have the form it should".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_crates_of_the_workspace_count() {
        let json = r#"{"target_directory": "/t", "packages": [
            {"name": "a", "dependencies": [
                {"name": "serde", "kind": null}, {"name": "b", "kind": "dev"}
            ]},
            {"name": "b", "dependencies": []}
        ]}"#;
        let metadata = Metadata::parse(json).unwrap();
        assert_eq!(metadata.target, PathBuf::from("/t"));
        assert_eq!(metadata.packages.len(), 2);
        let [dependency] = &metadata.packages[0].dependencies[..] else {
            panic!("{:?}", metadata.packages[0]);
        };
        assert!(dependency.name == "b" && dependency.dev);
        assert!(Metadata::parse("{}").is_err());
    }
}
