"""Grams of CO2e that a kilowatt-hour of electricity causes, by country.

Means over a year and a country: a grid's own figures of this hour differ from them several-fold.
"""

from __future__ import annotations

#: The year that the values are of.
YEAR = 2024
SOURCE = (
    'Ember (2026), "Yearly Electricity Data", processed by Our World in Data: lifecycle carbon '
    "intensity of electricity generation, https://ourworldindata.org/grapher/"
    "carbon-intensity-electricity, CC BY 4.0"
)
WORLD = "WORLD"

#: g CO2e/kWh by ISO 3166 code. A country that is not here has TIDEGAUGE_CARBON_INTENSITY_G_PER_KWH.
G_PER_KWH = {
    "AE": 467.51, "AT": 103.48, "AU": 553.83, "BE": 126.96, "BG": 278.85, "BR": 106.06,
    "CA": 185.35, "CH": 34.58, "CL": 259.87, "CN": 555.4, "CO": 298.3, "CY": 511.23,
    "DE": 336.38, "ES": 146.22, "FI": 66.63, "FR": 40.48, "GB": 216.5, "GR": 321.65,
    "HK": 675.48, "HR": 170.7, "HU": 184.47, "ID": 680.25, "IE": 270.91, "IL": 540.55,
    "IN": 705.4, "IS": 27.82, "IT": 281.4, "JP": 483.43, "KE": 85.22, "KR": 415.51,
    "KZ": 802.04, "LV": 134.28, "NG": 495.74, "NL": 250.72, "NO": 29.66, "NZ": 112.02,
    "PE": 258.73, "PH": 621.73, "PK": 373.69, "PL": 608.18, "PT": 110.64, "QA": 581.69,
    "RO": 251.33, "RS": 666.4, "SA": 691.95, "SE": 34.91, "SG": 498.74, "SI": 230.4,
    "SK": 96.55, "TN": 558.26, "TR": 469.74, "TW": 635.19, "US": 383.78, "UY": 69.56,
    "VN": 484.32, "ZA": 717.36,
    WORLD: 471.08,
}  # fmt: skip
