//! Private files and published folders.

use std::fs;

use flashlight_store::files::{
    create_private_dir, publish_folder, read_limited, sweep_partial, write_private,
};

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_private_file_replaces_the_old_one_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    write_private(&path, b"old").unwrap();
    write_private(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["key"]);
}

#[cfg(unix)]
#[test]
fn a_private_file_in_a_private_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    create_private_dir(&folder).unwrap();
    create_private_dir(&folder).unwrap();
    write_private(&folder.join("key"), b"k").unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.join("key")), 0o600);
    assert_eq!([mode(&folder), mode(folder.parent().unwrap())], [0o700; 2]);
}

#[test]
fn a_private_folder_cannot_take_the_place_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state"), "").unwrap();
    assert_eq!(create_private_dir(&dir.path().join("state")).unwrap_err().code(), "io");
}

#[test]
fn a_private_file_that_cannot_be_put_in_place_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("key/full")).unwrap();
    assert_eq!(write_private(&dir.path().join("key"), b"k").unwrap_err().code(), "io");
    assert_eq!(names(dir.path()), ["key"]);
}

#[test]
fn a_file_at_the_limit_is_read_and_one_byte_more_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"12345").unwrap();
    assert_eq!(read_limited(&path, 5).unwrap(), b"12345");
    assert_eq!(read_limited(&path, u64::MAX).unwrap(), b"12345");
    assert_eq!(read_limited(&path, 4).unwrap_err().code(), "file_too_large");
    assert_eq!(read_limited(&dir.path().join("none"), 4).unwrap_err().code(), "io");
}

#[cfg(target_os = "linux")]
#[test]
fn an_endless_file_is_refused() {
    let zero = std::path::Path::new("/dev/zero");
    assert_eq!(read_limited(zero, 1 << 16).unwrap_err().code(), "file_too_large");
}

#[test]
fn a_published_folder_has_every_file_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("release");
    publish_folder(&path, &[("release.json", b"{}"), ("tables.csv", b"a,b\n")]).unwrap();
    assert_eq!(names(dir.path()), ["release"]);
    assert_eq!(names(&path), ["release.json", "tables.csv"]);
    assert_eq!(fs::read(path.join("tables.csv")).unwrap(), b"a,b\n");
}

#[test]
fn a_published_folder_never_takes_the_place_of_anything() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "kept").unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for name in ["file", "empty"] {
        let error = publish_folder(&dir.path().join(name), &[("a", b"a")]).unwrap_err();
        assert_eq!(error.code(), "already_exists");
    }
    assert_eq!(names(dir.path()), ["empty", "file"]);
    assert!(names(&dir.path().join("empty")).is_empty());
}

#[test]
fn a_name_that_leads_elsewhere_or_comes_twice_publishes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("release");
    for name in ["", ".", "..", ".hidden", "a/b", "../a", "/a", "a\\b", "C:a", "a\0"] {
        let error = publish_folder(&path, &[("fine", b""), (name, b"")]).unwrap_err();
        assert_eq!(error.code(), "file_name", "{name}");
    }
    let twice = publish_folder(&path, &[("a", b"1"), ("a", b"2")]).unwrap_err();
    assert_eq!(twice.code(), "file_name");
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_folder_that_cannot_be_filled_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(300);
    let error = publish_folder(&dir.path().join("r"), &[("a", b"a"), (&long, b"b")]).unwrap_err();
    assert_eq!(error.code(), "io");
    assert!(names(dir.path()).is_empty());
}

#[test]
fn sweeping_removes_what_a_crash_left_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let kept = [".partial-1-2", ".r.partial-", ".r.partial-1", ".r.partial-1-x", "r.partial-1-2"];
    for name in kept {
        fs::write(dir.path().join(name), "").unwrap();
    }
    fs::write(dir.path().join(".key.partial-12-0"), "half").unwrap();
    fs::create_dir(dir.path().join(".release.partial-9-3")).unwrap();
    fs::write(dir.path().join(".release.partial-9-3/tables.csv"), "half").unwrap();
    assert_eq!(sweep_partial(dir.path()).unwrap(), 2);
    assert_eq!(names(dir.path()), kept);
}

#[test]
fn names_left_by_a_process_with_our_number_are_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..200 {
        let left = format!(".key.partial-{}-{n}", std::process::id());
        fs::write(dir.path().join(left), "left").unwrap();
    }
    write_private(&dir.path().join("key"), b"k").unwrap();
    assert_eq!(fs::read(dir.path().join("key")).unwrap(), b"k");
    assert_eq!(sweep_partial(dir.path()).unwrap(), 200);
}
