//! ControllerRegistration: each controller says what it can do, so that features are raised only if all can.

use crate::controller::Controller;
use crate::controller::Outcome;
use crate::schema::controller_registration_request::ControllerRegistrationRequest;
use crate::schema::controller_registration_response::ControllerRegistrationResponse;
use crate::schema::register_controller_record::ControllerEndpoint;
use crate::schema::register_controller_record::ControllerFeature;
use crate::schema::register_controller_record::RegisterControllerRecord;
use crate::types::ErrorCode;

impl Controller {
    pub fn register_controller(
        &self,
        request: &ControllerRegistrationRequest,
    ) -> Outcome<ControllerRegistrationResponse> {
        if !self.level().controller_registration() {
            let message = "The current MetadataVersion is too old to support controller registrations.";
            return Outcome::reply(ControllerRegistrationResponse {
                error_code: ErrorCode::UnsupportedVersion.code(),
                error_message: Some(message.into()),
                ..Default::default()
            });
        }
        let endpoint = |listener: &crate::schema::controller_registration_request::Listener| ControllerEndpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            security_protocol: listener.security_protocol,
        };
        let feature = |feature: &crate::schema::controller_registration_request::Feature| ControllerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
        };
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: false,
            end_points: request.listeners.iter().map(endpoint).collect(),
            features: request.features.iter().map(feature).collect(),
        };
        Outcome::of(vec![record.into()], ControllerRegistrationResponse::default())
    }
}
