//! The files of the repository, read once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One file.
pub(crate) struct File {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    /// Length, bytes.
    pub(crate) bytes: u64,
    /// Its text; empty when it is not UTF-8.
    pub(crate) text: String,
}

impl File {
    /// Whether it holds only tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("tests/") || self.path.ends_with("tests.rs")
    }

    /// The lines of the program proper, numbered from 1: no comments, and nothing from the first
    /// `#[cfg(test)]` on, below which stand tests alone.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// All files, by path. Left out are what `.gitignore` names and folders that cargo builds in.
pub(crate) static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let mut files = Vec::new();
    walk(&root(), "", &ignored, &mut files);
    files.sort_by(|one, two| one.path.cmp(&two.path));
    assert!(files.len() > 50, "the repository was not found");
    files
});

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files whose name ends so.
pub(crate) fn ending(end: &str) -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(move |file| file.path.ends_with(end))
}

/// The file at this path.
pub(crate) fn file(path: &str) -> &'static File {
    FILES.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is not there"))
}

fn walk(dir: &Path, prefix: &str, ignored: &[&str], files: &mut Vec<File>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = format!("{prefix}{name}");
        if name == ".git" || ignored.contains(&path.as_str()) {
            continue;
        }
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            if !entry.path().join("CACHEDIR.TAG").exists() {
                walk(&entry.path(), &format!("{path}/"), ignored, files);
            }
        } else if about.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            let text = String::from_utf8(bytes).unwrap_or_default();
            files.push(File { path, bytes: about.len(), text });
        }
    }
}
