//! The house has floors: a crate may depend only on lower ones. The table says which.

use crate::Error;
use crate::metadata::{Metadata, Package};

/// A crate, its floor, and the crates of the workspace it may depend on.
struct Row {
    floor: u8,
    name: &'static str,
    may_use: &'static [&'static str],
}

const fn row(floor: u8, name: &'static str, may_use: &'static [&'static str]) -> Row {
    Row {
        floor,
        name,
        may_use,
    }
}

/// Every crate of the workspace.
const TABLE: &[Row] = &[
    row(1, "bench-types", &[]),
    row(2, "bench-stream", &["bench-types"]),
    row(2, "bench-datasets", &["bench-types"]),
    row(2, "bench-metrics", &["bench-types"]),
    row(2, "bench-sim", &["bench-types"]),
    row(3, "bench-backends", &["bench-types", "bench-stream"]),
    row(3, "bench-http", &["bench-types", "bench-stream"]),
    row(3, "bench-report", &["bench-types", "bench-metrics"]),
    row(
        4,
        "bench-core",
        &[
            "bench-types",
            "bench-stream",
            "bench-datasets",
            "bench-metrics",
            "bench-backends",
            "bench-http",
            "bench-report",
        ],
    ),
    row(
        4,
        "bench-charts",
        &["bench-types", "bench-metrics", "bench-report"],
    ),
    row(
        6,
        "bench-serve",
        &["bench-core", "bench-sim", "bench-charts"],
    ),
    row(
        5,
        "bench-aggregate",
        &[
            "bench-types",
            "bench-metrics",
            "bench-report",
            "bench-datasets",
        ],
    ),
    row(
        6,
        "bench-plot",
        &[
            "bench-types",
            "bench-metrics",
            "bench-report",
            "bench-charts",
            "bench-aggregate",
        ],
    ),
    row(1, "bench-testkit", &[]),
    row(
        7,
        "xtask",
        &["bench-serve", "bench-aggregate", "bench-plot", "bench-sim"],
    ),
];

/// What the tests of every crate may use as well.
const FOR_TESTS: &[&str] = &["bench-testkit", "bench-sim"];

/// Fails if the workspace is not as the table says.
pub(crate) fn check() -> Result<(), Error> {
    let problems = problems(TABLE, &Metadata::load()?.packages);
    if problems.is_empty() {
        println!("floors: {} crates are as the table says", TABLE.len());
        return Ok(());
    }
    let list = problems.join("\n  ");
    Err(format!("floors (xtask/src/floors.rs):\n  {list}").into())
}

fn problems(table: &[Row], packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        match table.iter().find(|row| row.name == package.name) {
            Some(row) => problems.extend(forbidden(row, package)),
            None => problems.push(format!("{} has no row in the table", package.name)),
        }
    }
    let exists = |row: &&Row| packages.iter().any(|package| package.name == row.name);
    let gone = table.iter().filter(|row| !exists(row));
    problems.extend(gone.map(|row| format!("{} is in the table but is no crate", row.name)));
    for row in table {
        let lower = |name: &str| {
            let used = table.iter().find(|other| other.name == name);
            used.is_some_and(|used| used.floor < row.floor)
        };
        let high = row.may_use.iter().filter(|name| !lower(name));
        problems.extend(high.map(|name| {
            format!(
                "the table lets {} use {name}, which is on no lower floor",
                row.name
            )
        }));
    }
    problems
}

/// The dependencies of a crate that its row does not allow.
fn forbidden(row: &Row, package: &Package) -> Vec<String> {
    let forbidden = package.dependencies.iter().filter(|dependency| {
        let name = &*dependency.name;
        !(row.may_use.contains(&name) || dependency.dev && FOR_TESTS.contains(&name))
    });
    forbidden
        .map(|dependency| {
            let tests = if dependency.dev { " in its tests" } else { "" };
            format!("{} must not use {}{tests}", package.name, dependency.name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    const HOUSE: &[Row] = &[
        row(1, "ground", &[]),
        row(2, "first", &["ground"]),
        row(3, "roof", &["first"]),
    ];

    fn package(name: &str, uses: &[&str], tests_use: &[&str]) -> Package {
        let dependency = |dev| {
            move |name: &&str| Dependency {
                name: (*name).to_owned(),
                dev,
            }
        };
        let uses = uses.iter().map(dependency(false));
        Package {
            name: name.to_owned(),
            dependencies: uses.chain(tests_use.iter().map(dependency(true))).collect(),
        }
    }

    fn house() -> Vec<Package> {
        vec![
            package("ground", &[], &["bench-testkit"]),
            package("first", &["ground"], &["bench-sim"]),
            package("roof", &["first"], &[]),
        ]
    }

    #[test]
    fn a_house_in_order() {
        assert_eq!(problems(HOUSE, &house()), [""; 0]);
    }

    #[test]
    fn a_dependency_that_is_not_in_the_table() {
        let mut upside_down = house();
        upside_down[0] = package("ground", &["roof"], &[]);
        assert_eq!(problems(HOUSE, &upside_down), ["ground must not use roof"]);
        let mut tests_too = house();
        tests_too[1] = package("first", &["bench-sim"], &["roof"]);
        assert_eq!(
            problems(HOUSE, &tests_too),
            [
                "first must not use bench-sim",
                "first must not use roof in its tests"
            ]
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate() {
        let mut other = house();
        other[2] = package("cellar", &["ground"], &[]);
        assert_eq!(
            problems(HOUSE, &other),
            [
                "cellar has no row in the table",
                "roof is in the table but is no crate"
            ]
        );
    }

    #[test]
    fn a_table_with_a_circle() {
        let circle = [row(1, "a", &["b"]), row(1, "b", &["a"])];
        let found = problems(&circle, &[package("a", &[], &[]), package("b", &[], &[])]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn the_workspace() {
        check().unwrap();
    }
}
