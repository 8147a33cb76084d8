/**
 * Frames of the field whose meaning is known from elsewhere: data sheets, captures of other projects, examples of standards. Each
 * stands in a golden case, as what came in or as what the driver wrote, or, where no driver says it, its checksum is computed anew.
 */
export interface Vector {
  /** Section of the reference of wire formats. */
  readonly section: string;
  readonly what: string;
  /** Hex pairs, or text. */
  readonly frame: { readonly hex: string } | { readonly text: string };
  readonly proof:
    | { readonly is: "decoded"; readonly golden: string; readonly answers: readonly string[] }
    | { readonly is: "written"; readonly golden: string }
    /** Nothing that we ship says or hears it, for this reason. */
    | { readonly is: "sum"; readonly sum: "sds011" | "sum16" | "modbus"; readonly because: string };
}

const hex = (frame: string) => ({ hex: frame });
const text = (frame: string) => ({ text: frame });
const decoded = (golden: string, ...answers: string[]) => ({ is: "decoded" as const, golden, answers });
const written = (golden: string) => ({ is: "written" as const, golden });
const sum = (kind: "sds011" | "sum16" | "modbus", because: string) => ({ is: "sum" as const, sum: kind, because });

const QUERIES = "the driver lets the sensor report by itself";
const MODBUS = "a question of one register or ten; devices of the field are asked for other ones";

export const VECTORS: readonly Vector[] = [
  // C1: avaldebe/PyPMS tests, the example of the SDS011 data sheet.
  {
    section: "C1",
    what: "SDS011 reading",
    frame: hex("AAC0D4043A0AA1601DAB"),
    proof: decoded("sds011/datasheet-example", "reading pm25 123.6", "reading pm10 261.8"),
  },
  { section: "C1", what: "SDS011 firmware", frame: hex("AAC5070F070AA16028AB"), proof: decoded("sds011/firmware-and-settings") },
  { section: "C1", what: "SDS011 wake", frame: hex("AAB406010100000000000000000000FFFF06AB"), proof: written("sds011/datasheet-example") },
  { section: "C1", what: "SDS011 query", frame: hex("AAB404000000000000000000000000FFFF02AB"), proof: sum("sds011", QUERIES) },
  { section: "C1", what: "SDS011 passive", frame: hex("AAB402010100000000000000000000FFFF02AB"), proof: sum("sds011", QUERIES) },
  {
    section: "C1",
    what: "SDS011 sleep",
    frame: hex("AAB406010000000000000000000000FFFF05AB"),
    proof: sum("sds011", "the working period does it"),
  },
  // C2: PyPMS.
  {
    section: "C2",
    what: "PMS5003",
    frame: hex("424d001c0005000d00160005000d001602fd00fc001d000f00060006970003c5"),
    proof: decoded("pms5003/pms5003-frame", "reading pm1 5", "reading pm25 13", "reading pm10 22"),
  },
  {
    section: "C2",
    what: "PMS3003",
    frame: hex("424d00140051006A007700350046004F33D20F28003F041A"),
    proof: decoded("pms5003/pms3003-frame", "reading pm1 53", "reading pm25 70", "reading pm10 79"),
  },
  { section: "C2", what: "PMS wake", frame: hex("424DE400010174"), proof: written("pms5003/pms5003-frame") },
  { section: "C2", what: "PMS passive", frame: hex("424DE100000170"), proof: sum("sum16", QUERIES) },
  { section: "C2", what: "PMS read", frame: hex("424DE200000171"), proof: sum("sum16", QUERIES) },
  { section: "C2", what: "PMS sleep", frame: hex("424DE400000173"), proof: sum("sum16", "the driver never sends it to sleep") },
  {
    section: "C2",
    what: "PMS5003 warming up",
    frame: hex(`424d001c${"00".repeat(26)}00ab`),
    proof: decoded("pms5003/warming-up", "reading pm25 0 warming"),
  },
  // C3: PyPMS, captured.
  {
    section: "C3",
    what: "SPS30",
    frame: hex("7e0003002840a783204117 77bb414a5f8341548ddd41d2833e427d33fc8542261722 4229a4d9422a29bc3f55b7e79e7e"),
    proof: decoded("sps30/pypms-capture", "reading pm1 5.2348", "reading pm25 9.4667", "reading pm4 12.6483", "reading pm10 13.2846"),
  },
  // C4: PyPMS; esphome mhz19.cpp.
  {
    section: "C4",
    what: "MH-Z19B answer",
    frame: hex("FF8601F40000000085"),
    proof: decoded("mhz19/pypms-500ppm", "reading co2 500"),
  },
  { section: "C4", what: "MH-Z19B question", frame: hex("FF0186000000000079"), proof: written("mhz19/self-calibration-on") },
  // C5: esphome senseair.cpp.
  { section: "C5", what: "S8 value alone", frame: hex("FE04020190ACD8"), proof: decoded("senseair-s8/one-register", "reading co2 400") },
  {
    section: "C5",
    what: "S8 status and value",
    frame: hex("FE0408000000000000019DD723"),
    proof: decoded("senseair-s8/status-and-value", "reading co2 413"),
  },
  { section: "C5", what: "S8 question for both", frame: hex("FE0400000004E5C6"), proof: written("senseair-s8/status-and-value") },
  {
    section: "C5",
    what: "S8 question for the value",
    frame: hex("FE0400030001D5C5"),
    proof: sum("modbus", "the driver asks for status and value"),
  },
  // C6: MODBUS over Serial Line V1.02.
  { section: "C6", what: "read ten registers", frame: hex("01030000000AC5CD"), proof: sum("modbus", MODBUS) },
  { section: "C6", what: "read one register", frame: hex("010300000001840A"), proof: sum("modbus", MODBUS) },
  { section: "C6", what: "read two registers", frame: hex("010300000002C40B"), proof: sum("modbus", MODBUS) },
  {
    section: "C6",
    what: "54.9 dB",
    frame: hex("010302022578FF"),
    proof: sum("modbus", "the port strips the frame before a driver sees it"),
  },
  { section: "C6", what: "exception 2", frame: hex("018302C0F1"), proof: sum("modbus", "the port makes a noReply of it") },
  // C7: SDI-12 V1.4 §4.4.12.
  { section: "C7", what: "SDI-12 with checksum", frame: text("0+3.14OqZ\r\n"), proof: decoded("sdi12/standard-3.14", "reading t 3.14") },
  {
    section: "C7",
    what: "SDI-12 without",
    frame: text("0+3.14-2.7\r\n"),
    proof: decoded("sdi12/without-checksum", "reading t 3.14", "reading u -2.7"),
  },
  // C8: NMEA 0183, widely used.
  {
    section: "C8",
    what: "GGA",
    frame: text("$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"),
    proof: decoded("nmea/reference-sentences", "reading latitude 48.1173", "reading satellites 8"),
  },
  {
    section: "C8",
    what: "RMC",
    frame: text("$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A"),
    proof: decoded("nmea/reference-sentences", "reading year 1994"),
  },
  // C9: ndokter/dsmr_parser, Sagemcom T210; in watt hours, of which kWh are told.
  { section: "C9", what: "P1 telegram", frame: text("1-0:4.7.0(000000166*var)\r\n!7EF9\r\n"), proof: decoded("dsmr-p1/sagemcom-t210") },
  // C10: OPS API manual; glossyio/traffic-monitor.
  {
    section: "C10",
    what: "OPS243 speed",
    frame: text('{"speed":0.58, "direction":"inbound","time":105,"tick":135}'),
    proof: decoded("ops243/unit-not-confirmed"),
  },
  { section: "C10", what: "OPS243 count", frame: text('{"DetectedObjectCount":3}'), proof: decoded("ops243/not-a-passage") },
  { section: "C10", what: "OPS243 product", frame: text('{"Product":"OPS243"}'), proof: decoded("ops243/start") },
  // C11: TFmini manual; esphome a02yyuw.
  { section: "C11", what: "TFmini 1000 cm", frame: hex("5959E803640080098A"), proof: decoded("tfmini/1000-cm") },
  { section: "C11", what: "A02YYUW 1953 mm", frame: hex("FF07A1A7"), proof: decoded("a02yyuw/datasheet-example", "reading distance 1953") },
  // C12: matthewwall/weewx-wxt5x0; Gill manual; Davis manual (the CRC vector of Davis is in checksums.test.ts).
  {
    section: "C12",
    what: "WXT wind",
    frame: text("0R1,Dn=160D,Dm=182D,Dx=197D,Sn=3.0M,Sm=4.1M,Sx=5.8M\r\n"),
    proof: decoded("wxt5xx/four-messages", "reading wind_direction 182", "reading wind_speed 4.1"),
  },
  {
    section: "C12",
    what: "WXT air",
    frame: text("0R2,Ta=16.1C,Ua=79.3P,Pa=959.7H\r\n"),
    proof: decoded("wxt5xx/four-messages", "reading temperature 16.1", "reading humidity 79.3", "reading pressure 959.7"),
  },
  {
    section: "C12",
    what: "WXT rain",
    frame: text("0R3,Rc=0.01M,Rd=10s,Ri=0.6M,Hc=0.0M,Hd=0s,Hi=0.0M\r\n"),
    proof: decoded("wxt5xx/four-messages", "total rainfall 0.01"),
  },
  {
    section: "C12",
    what: "WXT supply",
    frame: text("0R5,Th=16.0C,Vh=14.1N,Vs=14.3V,Vr=3.621V\r\n"),
    proof: decoded("wxt5xx/four-messages", "reading supply 14.3"),
  },
  {
    section: "C12",
    what: "WXT corrupt",
    frame: text("0R1,Dn=0m=032D,Sm=0.1M\r\n"),
    proof: decoded("wxt5xx/corrupt-messages", "discard syntax 24"),
  },
  {
    section: "C12",
    what: "WindSonic",
    frame: text("\x02Q,229,002.74,M,00,\x0316\r\n"),
    proof: decoded("windsonic/manual-example", "reading wind_speed 2.74", "reading wind_direction 229"),
  },
  { section: "C12", what: "Davis answer to a wake-up", frame: text("\n\r"), proof: decoded("davis-vantage/both-packets") },
  // C13: the kernel's w1_therm.
  {
    section: "C13",
    what: "DS18B20 23.125 degrees",
    frame: text("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"),
    proof: decoded("ds18b20/reference-23125", "reading temperature 23.125"),
  },
];
