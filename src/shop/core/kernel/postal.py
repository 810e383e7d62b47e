"""A place that post can reach."""

from msgspec import Struct

from shop.core.kernel.countries import COUNTRIES

#: The states and union territories of India by ISO 3166-2, without "IN-".
STATES = {
    "AN": "Andaman and Nicobar Islands",
    "AP": "Andhra Pradesh",
    "AR": "Arunachal Pradesh",
    "AS": "Assam",
    "BR": "Bihar",
    "CG": "Chhattisgarh",
    "CH": "Chandigarh",
    "DH": "Dadra and Nagar Haveli and Daman and Diu",
    "DL": "Delhi",
    "GA": "Goa",
    "GJ": "Gujarat",
    "HP": "Himachal Pradesh",
    "HR": "Haryana",
    "JH": "Jharkhand",
    "JK": "Jammu and Kashmir",
    "KA": "Karnataka",
    "KL": "Kerala",
    "LA": "Ladakh",
    "LD": "Lakshadweep",
    "MH": "Maharashtra",
    "ML": "Meghalaya",
    "MN": "Manipur",
    "MP": "Madhya Pradesh",
    "MZ": "Mizoram",
    "NL": "Nagaland",
    "OD": "Odisha",
    "PB": "Punjab",
    "PY": "Puducherry",
    "RJ": "Rajasthan",
    "SK": "Sikkim",
    "TN": "Tamil Nadu",
    "TR": "Tripura",
    "TS": "Telangana",
    "UK": "Uttarakhand",
    "UP": "Uttar Pradesh",
    "WB": "West Bengal",
}


class PostalAddress(Struct, frozen=True, kw_only=True):
    """Checked by `core.users.postal`; `country` is ISO 3166-1 alpha-2, `phone` E.164."""

    name: str
    phone: str
    street: str
    city: str
    state: str  # for IN the ISO 3166-2 code without "IN-" (KA)
    zipcode: str
    country: str = "IN"

    @property
    def region(self) -> str:
        """The state as people write it; outside of India it was given so."""
        return STATES.get(self.state, self.state) if self.country == "IN" else self.state

    @property
    def abroad(self) -> str:
        """The country's name, which a parcel within India does without."""
        return "" if self.country == "IN" else COUNTRIES.get(self.country, self.country)
