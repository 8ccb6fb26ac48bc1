//! Which files a split is made of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Repo, RepoType};

use crate::DatasetError;
use crate::tokenizer::is_hub_name;

/// Ends of names of files that are read, the best first.
const ENDINGS: [&str; 4] = ["parquet", "jsonl", "csv", "json"];

/// Files that describe a dataset and hold none of its rows.
const DESCRIPTIONS: [&str; 5] = [
    "dataset_infos.json",
    "dataset_info.json",
    "dataset_dict.json",
    "state.json",
    "package.json",
];

/// What splits are called in names of files.
const SPLITS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "val", "dev"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// The revision at which the hub has every dataset as Parquet.
const CONVERTED: &str = "refs/convert/parquet";

/// The files to read, in their order.
pub(super) fn find(
    path: &Path,
    split: Option<&str>,
    subset: Option<&str>,
) -> Result<Vec<PathBuf>, DatasetError> {
    let wish = Wish { split, subset };
    wish.check()?;
    if path.is_file() {
        wish.check_file(path)?;
        return Ok(vec![path.to_owned()]);
    }
    if path.is_dir() {
        let mut names = Vec::new();
        list(path, path, &mut names).map_err(|cause| DatasetError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let chosen = wish
            .choose(&names)
            .map_err(|problem| DatasetError::Format {
                path: path.to_owned(),
                problem,
                cure: "give the directory of a dataset, or one of its files",
            })?;
        return Ok(chosen.into_iter().map(|name| path.join(name)).collect());
    }
    match path.to_str().filter(|name| is_hub_name(name)) {
        Some(name) => wish.fetch(name, ApiBuilder::from_env().with_progress(false)),
        None => Err(DatasetError::Read {
            path: path.to_owned(),
            cause: std::io::ErrorKind::NotFound.into(),
        }),
    }
}

/// Collects the files below `folder`, relative to `root` and with `/` between the parts.
fn list(root: &Path, folder: &Path, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, names)?;
        } else if let Ok(inside) = path.strip_prefix(root) {
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            names.push(parts.join("/"));
        }
    }
    Ok(())
}

/// The part of a dataset that is wanted.
#[derive(Clone, Copy)]
struct Wish<'a> {
    split: Option<&'a str>,
    subset: Option<&'a str>,
}

impl Wish<'_> {
    fn check(self) -> Result<(), DatasetError> {
        match self.split {
            Some(split) if split.contains(['[', '+']) => Err(DatasetError::Option {
                option: "--hf-split",
                problem: format!(
                    "`{split}` is a part or a sum of splits; name one split, and take a part of \
                     it with --num-prompts"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses what the one file at `path` is not: a subset, or another split than its name or
    /// its folder says; it is of the split `train` if they say nothing.
    fn check_file(self, path: &Path) -> Result<(), DatasetError> {
        let refuse = |option, problem: &str| {
            Err(DatasetError::Option {
                option,
                problem: format!(
                    "--dataset-path {} {problem}; leave it out, or give the dataset's directory",
                    path.display()
                ),
            })
        };
        if self.subset.is_some() {
            return refuse("--hf-subset", "is a file, which has no subsets");
        }
        let Some(wanted) = self.split else {
            return Ok(());
        };
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts[parts.len().saturating_sub(2)..].join("/");
        let file = File {
            name: &name,
            rank: 0,
        };
        match file.split() {
            Some(split) if split == usual(wanted).unwrap_or(wanted) => Ok(()),
            Some(split) => refuse("--hf-split", &format!("is a file of the split `{split}`")),
            None if usual(wanted) == Some("train") => Ok(()),
            None => refuse("--hf-split", "is a file whose name tells no split"),
        }
    }

    /// The files of the split and the subset among all of a dataset.
    fn choose(self, names: &[String]) -> Result<Vec<String>, String> {
        let mut files: Vec<File<'_>> = names.iter().filter_map(|name| File::of(name)).collect();
        if files.is_empty() {
            return Err("it holds no .parquet, .jsonl, .csv or .json file".to_owned());
        }
        self.keep_subset(&mut files)?;
        self.keep_split(&mut files)?;
        let best = files.iter().map(|file| file.rank).min();
        files.retain(|file| Some(file.rank) == best);
        files.sort_by_key(|file| file.name);
        all_shards(&files)?;
        Ok(files.iter().map(|file| file.name.to_owned()).collect())
    }

    fn keep_subset(self, files: &mut Vec<File<'_>>) -> Result<(), String> {
        let folders: BTreeSet<String> = files.iter().map(File::subset).collect();
        let listed = || {
            let named: Vec<&str> = folders.iter().map(String::as_str).collect();
            named.join(", ")
        };
        match self.subset {
            Some(subset) => {
                let ends = |folder: &String| folder.rsplit('/').next() == Some(subset);
                let wanted = match folders.contains(subset) {
                    true => vec![subset],
                    false => folders
                        .iter()
                        .filter(|one| ends(one))
                        .map(String::as_str)
                        .collect(),
                };
                match wanted.as_slice() {
                    [only] => files.retain(|file| file.subset() == *only),
                    [] => {
                        return Err(format!(
                            "it has no folder of the subset `{subset}` (--hf-subset), only {}",
                            listed()
                        ));
                    }
                    several => {
                        return Err(format!(
                            "several folders are called `{subset}` ({}); choose one with \
                             --hf-subset",
                            several.join(", ")
                        ));
                    }
                }
            }
            None if folders.len() > 1 => {
                return Err(format!(
                    "its files are in several folders ({}); choose one with --hf-subset",
                    listed()
                ));
            }
            None => {}
        }
        Ok(())
    }

    fn keep_split(self, files: &mut Vec<File<'_>>) -> Result<(), String> {
        let splits: BTreeSet<String> = files.iter().filter_map(File::split).collect();
        let wanted = match self.split {
            Some(split) => usual(split).unwrap_or(split).to_owned(),
            None if splits.contains("train") => "train".to_owned(),
            None => match splits.first() {
                Some(only) if splits.len() == 1 => only.clone(),
                None => return Ok(()),
                Some(_) => {
                    return Err(format!(
                        "it has the splits {}; choose one with --hf-split",
                        Vec::from_iter(splits).join(", ")
                    ));
                }
            },
        };
        // Files that name no split are the only one.
        if splits.is_empty() && wanted == "train" {
            return Ok(());
        }
        files.retain(|file| file.split().as_deref() == Some(wanted.as_str()));
        if files.is_empty() {
            return Err(format!(
                "it has no split `{wanted}` (--hf-split); it has {}",
                if splits.is_empty() {
                    "files that name none".to_owned()
                } else {
                    Vec::from_iter(splits).join(", ")
                }
            ));
        }
        Ok(())
    }

    /// Downloads the files of a hub dataset that are not in the cache.
    fn fetch(self, dataset: &str, hub: ApiBuilder) -> Result<Vec<PathBuf>, DatasetError> {
        let failed = |problem: String| DatasetError::Hub {
            dataset: dataset.to_owned(),
            problem,
        };
        let api = hub.build().map_err(|cause| failed(cause.to_string()))?;
        let original = api.repo(Repo::new(dataset.to_owned(), RepoType::Dataset));
        let names = names_of(&original).map_err(failed)?;
        let (repo, names) = if names.iter().any(|name| File::of(name).is_some()) {
            (original, names)
        } else {
            let converted =
                Repo::with_revision(dataset.to_owned(), RepoType::Dataset, CONVERTED.to_owned());
            let converted = api.repo(converted);
            let names = names_of(&converted).map_err(failed)?;
            (converted, names)
        };
        let chosen = self.choose(&names).map_err(failed)?;
        tracing::info!(dataset, files = chosen.len(), "getting the dataset");
        chosen
            .iter()
            .map(|name| repo.get(name).map_err(|cause| failed(cause.to_string())))
            .collect()
    }
}

/// The files of a repository of the hub.
fn names_of(repo: &ApiRepo) -> Result<Vec<String>, String> {
    let info = repo.info().map_err(|cause| {
        format!("there is no such file or directory, and the hub cannot be asked: {cause}")
    })?;
    Ok(info
        .siblings
        .into_iter()
        .map(|file| file.rfilename)
        .collect())
}

/// A file of rows, by its place in a dataset.
struct File<'a> {
    name: &'a str,
    /// How good its format is, from 0.
    rank: usize,
}

impl<'a> File<'a> {
    fn of(name: &'a str) -> Option<File<'a>> {
        let last = name.rsplit('/').next()?;
        let hidden = name.split('/').any(|part| part.starts_with('.'));
        if hidden || DESCRIPTIONS.contains(&last) {
            return None;
        }
        let (_, end) = last.rsplit_once('.')?;
        let rank = ENDINGS.iter().position(|known| *known == end)?;
        Some(File { name, rank })
    }

    fn folders(&self) -> impl Iterator<Item = &'a str> {
        let folders = self
            .name
            .rsplit_once('/')
            .map_or("", |(folders, _)| folders);
        folders.split('/').filter(|folder| !folder.is_empty())
    }

    /// Its name without folders and end.
    fn stem(&self) -> &'a str {
        let last = self.name.rsplit('/').next().unwrap_or(self.name);
        last.rsplit_once('.').map_or(last, |(stem, _)| stem)
    }

    /// The split it belongs to: what stands before the number of a shard, or else a usual name in
    /// its own name or that of a folder, the innermost first.
    fn split(&self) -> Option<String> {
        if let Some((split, _)) = shard(self.stem()) {
            return Some(usual(split).unwrap_or(split).to_owned());
        }
        let folders: Vec<&str> = self.folders().collect();
        std::iter::once(self.stem())
            .chain(folders.into_iter().rev())
            .find_map(|part| {
                let mut words = part.split(|c: char| !c.is_ascii_alphanumeric());
                words.find_map(usual)
            })
            .map(str::to_owned)
    }

    /// The folders that name no split.
    fn subset(&self) -> String {
        let names_no_split = |folder: &&str| {
            *folder != "data"
                && !folder
                    .split(|c: char| !c.is_ascii_alphanumeric())
                    .any(|word| usual(word).is_some())
        };
        let folders: Vec<&str> = self.folders().filter(names_no_split).collect();
        match folders.is_empty() {
            true => ".".to_owned(),
            false => folders.join("/"),
        }
    }
}

/// The usual name of a split that goes by several.
fn usual(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    SPLITS
        .iter()
        .find_map(|(name, others)| others.contains(&word.as_str()).then_some(*name))
}

/// What stands before the number of a shard (`train` of `train-00000-of-00002`), and how many
/// shards there are.
fn shard(stem: &str) -> Option<(&str, usize)> {
    let (before, after) = stem.split_once("-of-")?;
    let (name, number) = before.rsplit_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let count = after.split('-').next()?;
    (digits(number) && digits(count)).then(|| Some((name, count.parse().ok()?)))?
}

/// Whether all shards are there.
fn all_shards(files: &[File<'_>]) -> Result<(), String> {
    let shards: Vec<(&str, usize)> = files.iter().filter_map(|file| shard(file.stem())).collect();
    for (name, count) in &shards {
        let there = shards.iter().filter(|(other, _)| other == name).count();
        if there != *count {
            return Err(format!(
                "of the {count} shards of `{name}` only {there} are there"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn choose(
        names: &[&str],
        split: Option<&str>,
        subset: Option<&str>,
    ) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Wish { split, subset }.choose(&names)
    }

    #[test]
    fn a_split_is_found_by_file_and_folder() {
        let flat = [
            "README.md",
            "data/train-00001-of-00002.parquet",
            "data/train-00000-of-00002.parquet",
            "data/test-00000-of-00001-0123abcd.parquet",
            "data/train_sft-00000-of-00001.parquet",
            "dataset_infos.json",
        ];
        let train = [
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
        ];
        assert_eq!(choose(&flat, None, None).unwrap(), train);
        assert_eq!(choose(&flat, Some("train"), None).unwrap(), train);
        assert_eq!(choose(&flat, Some("test"), None).unwrap(), [flat[3]]);
        assert_eq!(choose(&flat, Some("train_sft"), None).unwrap(), [flat[4]]);
        let error = choose(&flat, Some("dev"), None).unwrap_err();
        assert_eq!(
            error,
            "it has no split `validation` (--hf-split); it has test, train, train_sft"
        );

        let folders = ["test/a.jsonl", "dev/a.jsonl", "dev/b.jsonl", "dev/b.csv"];
        assert_eq!(
            choose(&folders, Some("validation"), None).unwrap(),
            ["dev/a.jsonl", "dev/b.jsonl"]
        );
        let error = choose(&folders, None, None).unwrap_err();
        assert!(error.contains("the splits test, validation"), "{error}");
        assert_eq!(
            choose(&["x.json"], Some("train"), None).unwrap(),
            ["x.json"]
        );
        assert_eq!(choose(&["x_val.json"], None, None).unwrap(), ["x_val.json"]);
        assert!(choose(&["x.json"], Some("test"), None).is_err());
        assert!(choose(&["a.arrow"], None, None).is_err());
    }

    #[test]
    fn a_subset_is_a_folder() {
        let names = [
            "main/train-00000-of-00001.parquet",
            "socratic/train-00000-of-00001.parquet",
        ];
        let error = choose(&names, None, None).unwrap_err();
        assert!(error.contains("(main, socratic)"), "{error}");
        assert_eq!(choose(&names, None, Some("main")).unwrap(), [names[0]]);
        let error = choose(&names, None, Some("other")).unwrap_err();
        assert!(error.contains("only main, socratic"), "{error}");
    }

    #[test]
    fn a_subset_goes_by_all_its_folders_or_the_last() {
        let names = [
            "a/b/x.jsonl",
            "a/c/x.jsonl",
            "d/b/x.jsonl",
            "b/x.jsonl",
            "x.jsonl",
        ];
        let error = choose(&names, None, None).unwrap_err();
        assert!(error.contains("(., a/b, a/c, b, d/b)"), "{error}");
        for (place, listed) in ["a/b", "a/c", "d/b", "b", "."].into_iter().enumerate() {
            assert_eq!(choose(&names, None, Some(listed)).unwrap(), [names[place]]);
        }
        assert_eq!(choose(&names, None, Some("c")).unwrap(), [names[1]]);
        let error = choose(&names[..3], None, Some("b")).unwrap_err();
        assert!(error.contains("called `b` (a/b, d/b)"), "{error}");
        // Otherwise it would be several subsets at once.
        let error = choose(&names, None, Some("a")).unwrap_err();
        assert!(error.contains("no folder of the subset `a`"), "{error}");
    }

    #[test]
    fn one_file_has_no_other_split_or_subset_than_its_own() {
        let root = tempfile::tempdir().unwrap();
        let found = |name: &str, split, subset| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            find(&path, split, subset).map_err(|error| error.to_string())
        };
        assert!(found("dev.jsonl", Some("validation"), None).is_ok());
        assert!(found("test/x.jsonl", Some("test"), None).is_ok());
        assert!(found("rows/x.jsonl", Some("train"), None).is_ok());
        assert!(found("rows/x.jsonl", None, None).is_ok());
        for (name, split, subset, flag, problem) in [
            (
                "dev.jsonl",
                Some("test"),
                None,
                "--hf-split: ",
                "the split `validation`",
            ),
            (
                "rows/x.jsonl",
                Some("test"),
                None,
                "--hf-split: ",
                "tells no split",
            ),
            (
                "dev.jsonl",
                None,
                Some("main"),
                "--hf-subset: ",
                "has no subsets",
            ),
        ] {
            let error = found(name, split, subset).unwrap_err();
            assert!(
                error.starts_with(flag) && error.contains(problem),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_shard_is_noticed() {
        let names = [
            "train-00000-of-00003.parquet",
            "train-00002-of-00003.parquet",
        ];
        assert_eq!(
            choose(&names, None, None).unwrap_err(),
            "of the 3 shards of `train` only 2 are there"
        );
    }

    #[test]
    fn a_sum_of_splits_is_refused() {
        let error = find(Path::new("x"), Some("train[:5%]"), None).unwrap_err();
        assert!(error.to_string().starts_with("--hf-split: "), "{error}");
    }

    /// A hub with one file of the dataset `owner/name`, for as many requests as it takes to get
    /// it: the list, the file's head, the file.
    fn hub(name: &'static str, contents: &'static str) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let list = serde_json::json!({"siblings": [{"rfilename": name}], "sha": "c0ffee"});
        let serving = std::thread::spawn(move || {
            for _ in 0..3 {
                let (peer, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(&peer).lines().map_while(Result::ok);
                let asked = lines.next().unwrap();
                let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let all = contents.len();
                let (status, more, body) = if asked.contains("/api/datasets/owner/name") {
                    ("200 OK", String::new(), list.to_string())
                } else if headers.iter().any(|line| line.ends_with("bytes=0-0")) {
                    let range = format!("Content-Range: bytes 0-0/{all}\r\n");
                    ("206 Partial Content", range, contents[..1].to_owned())
                } else {
                    assert!(asked.contains(&format!("/resolve/main/{name}")), "{asked}");
                    ("200 OK", String::new(), contents.to_owned())
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nETag: \"e\"\r\nx-repo-commit: c0ffee\r\n{more}\
                     Content-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                (&peer).write_all(head.as_bytes()).unwrap();
                (&peer).write_all(body.as_bytes()).unwrap();
            }
        });
        (url, serving)
    }

    #[test]
    fn files_of_the_hub_are_downloaded_into_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        let (url, serving) = hub("data/train-00000-of-00001.jsonl", "{\"text\": \"x\"}\n");
        let builder = ApiBuilder::new()
            .with_endpoint(url)
            .with_cache_dir(cache.path().to_owned())
            .with_progress(false);
        let wish = Wish {
            split: Some("train"),
            subset: None,
        };
        let paths = wish.fetch("owner/name", builder).unwrap();
        serving.join().unwrap();
        assert_eq!(paths.len(), 1);
        assert!(paths[0].starts_with(cache.path()));
        assert_eq!(
            fs::read_to_string(&paths[0]).unwrap(),
            "{\"text\": \"x\"}\n"
        );
    }

    #[test]
    fn a_hub_that_cannot_be_reached_is_an_error_with_a_cure() {
        let cache = tempfile::tempdir().unwrap();
        let hub = ApiBuilder::new()
            .with_endpoint("http://127.0.0.1:1".to_owned())
            .with_cache_dir(cache.path().to_owned());
        let wish = Wish {
            split: None,
            subset: None,
        };
        let message = wish.fetch("owner/name", hub).unwrap_err().to_string();
        assert!(
            message.contains("`owner/name`") && message.contains("hf download --repo-type dataset"),
            "{message}"
        );
    }
}
