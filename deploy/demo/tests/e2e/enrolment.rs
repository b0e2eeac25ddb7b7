//! Who gets in, who does not, and who is put out.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flashlight_coordinator::ca::Authority;
use flashlight_coordinator::enrolment::{Enrolment, TTL_MIN};
use flashlight_coordinator::journal::Journal;
use flashlight_demo::network::{COORDINATOR_ROLE, NODE_ROLE, open_rules};
use flashlight_node::round::now_ms;
use flashlight_node::tls::Dialer;
use flashlight_proto::canonical::Digest;
use flashlight_proto::token::{HubAddress, Token};
use flashlight_proto::wire::pb::district_client::DistrictClient;
use flashlight_proto::wire::{CODE_KEY, pb};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::command::{Ended, node};
use crate::data::{DISTRICTS, StudyText};
use crate::fake_node::{dial, runtime};
use crate::network::{Net, until};

/// Tries to enrol a new folder of the node with a token.
fn enroll(net: &Net, folder: &str, token: &str) -> Ended {
    let dir = net.network.node_dir(folder);
    node(&["enroll".as_ref(), token.as_ref(), "--dir".as_ref(), dir.as_os_str()])
}

#[track_caller]
fn refused(ended: &Ended, code: &str) {
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert!(ended.said.contains(&format!("({code})\nnode: hint: ")), "{}", ended.said);
}

fn code(status: &tonic::Status) -> String {
    let code = status.metadata().get(CODE_KEY).expect("a refusal carries its code");
    code.to_str().unwrap().to_owned()
}

#[test]
fn a_token_that_is_wrong_or_replaced_or_used_is_refused() {
    let net = Net::start();
    let replaced = net.network.invite("D7", "District D7").unwrap();
    let token = net.network.invite("D7", "District D7").unwrap();
    refused(&enroll(&net, "D7", &replaced), "token_unknown");
    refused(&enroll(&net, "D7", &token[..token.len() - 1]), "token_malformed");
    let stolen = net.network.invite("D8", "District D8").unwrap();
    assert_eq!(enroll(&net, "D7", &token).code, 0);
    refused(&enroll(&net, "D7", &token), "already_enrolled");
    refused(&enroll(&net, "another", &token), "token_used");
    assert_eq!(enroll(&net, "D8", &stolen).code, 0);
    let log = net.log("coordinator");
    for code in ["token_unknown", "token_used"] {
        assert!(log.contains(&format!("enrolment refused code=\"{code}\"")), "{log}");
    }
}

#[test]
fn a_token_past_its_time_is_refused_by_the_hub_also_when_its_text_says_otherwise() {
    let mut net = Net::copied();
    let dir = net.network.hub_dir();
    let mut token = {
        let authority = Arc::new(Authority::open(&dir).unwrap());
        let mut journal = Journal::open(&dir.join("state")).unwrap();
        let earlier = now_ms() - 600_000;
        let address = "localhost:1".parse().unwrap();
        let mut hub = Enrolment::open(authority, address, &mut journal, earlier).unwrap();
        let (district, rng) = ("D7".parse().unwrap(), &mut UnwrapErr(SysRng));
        hub.invite(district, "District D7", TTL_MIN, &mut journal, earlier, rng).unwrap()
    };
    net.start_hub(None);
    token.address = address(&net);
    refused(&enroll(&net, "D7", &token.to_text()), "token_expired");
    assert!(!net.log("coordinator").contains("enrolment refused"), "the node asked the hub");
    token.expires_ms = now_ms() + 600_000;
    refused(&enroll(&net, "D7", &token.to_text()), "token_expired");
    assert!(net.log("coordinator").contains("enrolment refused code=\"token_expired\""));
}

fn address(net: &Net) -> HubAddress {
    format!("localhost:{}", net.port).parse().unwrap()
}

fn revoke(net: &Net, district: &str) {
    let dir = net.network.hub_dir();
    let args = ["revoke", district, "--reason", "left the network", "--dir"].map(AsRef::as_ref);
    net.network.call(COORDINATOR_ROLE, &[&args[..], &[dir.as_os_str()]].concat()).unwrap();
}

#[test]
fn a_revoked_node_is_put_out_at_once_and_stops() {
    let mut net = Net::start();
    net.start_nodes(DISTRICTS[..5].iter().copied());
    let mut node = net.watch_node("D6");
    net.await_connected(6);
    assert!(node.is_running().unwrap());
    revoke(&net, "D6");
    let ended = node.end();
    assert_eq!(ended.code, 3, "{}", ended.said);
    assert!(
        ended.said.contains("(certificate_revoked)\nnode: hint: ask the hub"),
        "{}",
        ended.said
    );
    net.publish(&StudyText::SMALL).is_over(&DISTRICTS[..5], &[]);
}

#[test]
fn a_revocation_refuses_the_next_call_of_an_open_connection_and_ends_its_stream() {
    let net = Net::start();
    let runtime = runtime();
    let mut client = dial(&runtime, &net.membership("D6"));
    let listen = pb::ListenRequest { software: "a test".to_owned() };
    let mut stream = runtime.block_on(client.listen(listen)).unwrap().into_inner();
    runtime.block_on(client.fetch_roster(pb::FetchRosterRequest {})).unwrap();
    revoke(&net, "D6");
    let refused = runtime.block_on(client.fetch_roster(pb::FetchRosterRequest {})).unwrap_err();
    assert_eq!(code(&refused), "certificate_revoked");
    assert!(runtime.block_on(stream.message()).unwrap().is_none(), "the stream has ended");
}

#[test]
fn a_certificate_that_was_never_enrolled_and_no_certificate_are_refused_per_call() {
    let net = Net::start();
    let authority = Authority::open(&net.network.hub_dir()).unwrap();
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap();
    let district = "D1".parse().unwrap();
    let leaf = authority.sign_csr(csr.der(), &district, now_ms()).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let ca = authority.ca_digest();
    let dialers = [
        (Dialer::enrolled(address(&net), ca, leaf, key).unwrap(), "certificate_unknown"),
        (Dialer::anonymous(address(&net), ca).unwrap(), "certificate_missing"),
    ];
    let runtime = runtime();
    for (dialer, expected) in dialers {
        let mut client = DistrictClient::new(runtime.block_on(dialer.connect()).unwrap());
        let listen = pb::ListenRequest { software: String::new() };
        assert_eq!(code(&runtime.block_on(client.listen(listen)).unwrap_err()), expected);
        let request = pb::FetchRosterRequest {};
        assert_eq!(code(&runtime.block_on(client.fetch_roster(request)).unwrap_err()), expected);
    }
    let log = net.log("coordinator");
    assert!(log.contains("call refused code=\"certificate_unknown\""), "{log}");
}

/// A node of another network, whose settings say that this hub is its own.
fn stray() -> Net {
    let mut other = Net::empty();
    other.network.init_hub().unwrap();
    other.start_hub(None);
    let token = other.network.invite("D1", "District D1").unwrap();
    other.network.enroll("D1", &token).unwrap();
    other.network.write_policies(&["D1"], &open_rules(1.0)).unwrap();
    other.network.kill_hub().unwrap();
    crate::data::write(other.path());
    other
}

/// Runs the stray node until the hub has refused it three times; returns what it said.
fn refuses_three_times(net: &Net, mut other: Net, refusal: &str) -> String {
    other.point("D1", net.port);
    let refusals = || net.log("coordinator").matches(refusal).count();
    let since = Instant::now();
    other.start_node("D1", None);
    until("the third refusal", || (refusals() >= 3).then_some(()));
    // Pauses of at least 125 and 250 ms lie between three tries.
    assert!(since.elapsed() > Duration::from_millis(375), "it hammers: {:?}", since.elapsed());
    other.log("D1")
}

#[test]
fn a_node_of_another_network_is_told_once_what_to_do_and_backs_off() {
    let net = Net::start();
    let said = refuses_three_times(&net, stray(), "code=\"ca_refused\"");
    assert_eq!(said.matches("(hub_certificate_untrusted)").count(), 1, "{said}");
    assert_eq!(said.matches("hint: ").count(), 1, "{said}");
}

#[test]
fn a_certificate_of_a_foreign_ca_is_logged_at_the_hub_and_its_node_backs_off() {
    let net = Net::start();
    let other = stray();
    let path = other.network.node_dir("D1").join("node.json");
    let text = fs::read_to_string(&path).unwrap();
    let ca = |net: &Net| Authority::open(&net.network.hub_dir()).unwrap().ca_digest().to_string();
    fs::write(&path, text.replace(&ca(&other), &ca(&net))).unwrap();
    let said = refuses_three_times(&net, other, "code=\"foreign_ca\"");
    assert_eq!(said.matches("hint: ").count(), 1, "{said}");
    assert!(!said.contains("connected to the hub"), "{said}");
}

#[test]
fn a_token_of_another_hub_is_not_redeemed_here() {
    let net = Net::start();
    let text = net.network.invite("D7", "District D7").unwrap();
    let mut token: Token = text.parse().unwrap();
    token.ca = Digest::of(b"another CA");
    let dir = net.network.node_dir("D7");
    let args =
        ["enroll".as_ref(), token.to_text().as_str().as_ref(), "--dir".as_ref(), dir.as_os_str()]
            .map(std::ffi::OsStr::to_owned);
    let args: Vec<&std::ffi::OsStr> = args.iter().map(AsRef::as_ref).collect();
    let error = net.network.call(NODE_ROLE, &args).unwrap_err();
    assert!(error.to_string().contains("(hub_certificate_untrusted)"), "{error}");
    assert_eq!(enroll(&net, "D7", &text).code, 0, "the secret was not given away");
}
