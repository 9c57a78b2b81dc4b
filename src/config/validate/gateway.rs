//! `[gateway]`.

use jiff::tz::TimeZone;

use super::{Site, code};
use crate::config::model::Gateway;
use crate::config::raw::gateway::RawGateway;
use crate::config::section::Section;
use crate::domain::gateway::check_gateway_id;

pub(super) fn gateway(raw: RawGateway, section: &Section, site: &Site) -> Option<Gateway> {
    let id = section.required_text("id", raw.id).filter(|id| match check_gateway_id(id) {
        Ok(()) => true,
        Err(error) => {
            let advice = "take the name that the platform has given to this box, such as \"gw-0007\"";
            section.error("id", error.to_string(), advice);
            false
        }
    });
    let county_code = code("county_code", raw.county_code, 6, section);
    let town_code = code("town_code", raw.town_code, 3, section);
    let village_code = code("village_code", raw.village_code, 12, section);
    if let (Some(county), Some(town), Some(village)) = (&county_code, &town_code, &village_code)
        && !village.starts_with(&format!("{county}{town}"))
    {
        let message = format!("does not lie in town {county}{town}");
        section.error("village_code", message, "its first nine digits are county_code and town_code");
    }
    let time_zone = TimeZone::get(&raw.time_zone).ok().filter(|_| !raw.time_zone.is_empty());
    if time_zone.is_none() {
        section.error("time_zone", "is not a known time zone", "write an IANA name such as \"Asia/Shanghai\"");
    }
    Some(Gateway {
        id: id?,
        county_code: county_code?,
        town_code: town_code?,
        village_code: village_code?,
        time_zone: time_zone?,
        time_zone_name: raw.time_zone,
        catalogue: raw.catalogue.map(|path| site.path(path)),
    })
}
