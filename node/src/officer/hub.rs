//! The officer's own short connection to the hub: it asks and ends, beside the node's.

use flashlight_proto::roster::SignedRoster;
use flashlight_proto::vouch::Vouch;
use flashlight_proto::wire::pb::district_client::DistrictClient;
use flashlight_proto::wire::{FETCHED_ROSTER_MAX, fetched_roster, pb};
use tonic::Request;
use tonic::transport::Channel;

use super::error::OfficerError;
use crate::enroll::{CALL_TIMEOUT, Membership};

/// A connection that listens for nothing, so that the running node's stays the one for directives.
pub(super) struct Hub(DistrictClient<Channel>);

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

impl Hub {
    /// Dials with this node's certificate.
    pub(super) async fn dial(membership: &Membership) -> Result<Self, OfficerError> {
        let channel = membership.dialer()?.connect().await?;
        Ok(Self(DistrictClient::new(channel).max_decoding_message_size(FETCHED_ROSTER_MAX)))
    }

    /// The newest roster and the vouches; no signature is checked yet.
    pub(super) async fn roster(&mut self) -> Result<(SignedRoster, Vec<Vouch>), OfficerError> {
        let reply = self.0.fetch_roster(within(pb::FetchRosterRequest {})).await?;
        Ok(fetched_roster(reply.into_inner())?)
    }

    /// Hands one vouch in; the hub has it on its disk when this returns.
    pub(super) async fn vouch(&mut self, vouch: &Vouch) -> Result<(), OfficerError> {
        self.0.vouch(within(pb::VouchRequest { vouch: vouch.to_string() })).await?;
        Ok(())
    }
}
