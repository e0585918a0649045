# ruff: noqa: E501 -- lines as the programs print them
"""A small file of every flow format.

What real programs printed (nfdump 1.7.1, Argus 3.0.8.2, nfacctd 1.7.7) is kept as it was; the others are written by
hand from the programs' source or documentation.
"""

from __future__ import annotations

import io

import polars as pl

H48 = ("ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln,ismc,"
       "odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr")
MACS, MPLS = ",".join(["00:00:00:00:00:00"] * 4), ",".join(["0-0-0"] * 10)
T48 = f",0,0,0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0,{MACS},{MPLS},    0.000,    0.000,    0.000,127.0.0.1,0/0,1,"

# nfdump 1.7.1 -o csv, TZ=Asia/Tokyo
NFDUMP_48 = f"""{H48}
2026-01-31 21:00:00,2026-01-31 21:00:01,0.500,198.18.0.1,198.51.100.1,51000,25,TCP,...AP.SF,0,0,10,1000,0,0{T48}2026-11-24 15:24:10.703
2026-01-31 21:00:00,2026-01-31 21:00:01,0.350,198.51.100.1,198.18.0.1,25,51000,TCP,...AP.SF,0,0,8,900,0,0{T48}2026-11-24 15:24:10.703
2026-01-31 21:00:02,2026-01-31 21:00:02,0.000,198.18.0.2,198.51.100.1,51001,25,TCP,......S.,0,0,1,40,0,0{T48}2026-11-24 15:24:10.703
2026-01-31 21:00:04,2026-01-31 21:00:05,1.000,198.18.0.3,198.51.100.2,51003,443,TCP,...AP.SF,0,0,10,1000,0,0{T48}2026-11-24 15:24:10.703
2026-01-31 21:00:04,2026-01-31 21:00:05,1.000,198.18.0.3,198.51.100.2,51003,25,UDP,........,0,0,1,100,0,0{T48}2026-11-24 15:24:10.703
2026-01-31 21:00:04,2026-01-31 21:00:05,1.000,198.18.0.4,198.51.100.2,0,2048,ICMP,........,0,0,1,84,0,0{T48}2026-11-24 15:24:10.703
2026-01-31 21:00:03,2026-01-31 21:00:13,10.500,2001:db8:100::1,2001:db8:ffff::1,51002,587,TCP,........,0,0,5,5000,0,0{T48}2026-11-24 15:24:10.705
Summary
flows,bytes,packets,avg_bps,avg_pps,avg_bpp
7,8124,36,5057,2,225
"""
NFDUMP_10 = """firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows
2026-01-31 21:00:00.900,0.500,TCP,198.18.0.1,51000,198.51.100.1,25,10,1000,1
2026-01-31 21:00:04.000,1.000,TCP,198.18.0.3,51003,198.51.100.2,443,10,1000,1
2026-01-31 21:00:04.000,1.000,ICMP,198.18.0.4,0,198.51.100.2,8.0,1,84,1
2026-01-31 21:00:03.250,10.500,TCP,2001:db8:100::1,51002,2001:db8:ffff::1,587,5,5000,1
"""
NFDUMP_FAST = """cnt,af,firstSeen,lastSeen,proto,srcAddr,srcPort,dstAddr,dstPort,srcAS,dstAS,input,output,flags,srcTos,packets,bytes
1,2,1769860800900,1769860801400,6,198.18.0.1,51000,198.51.100.1,25,0,0,0,0,...AP.SF,0,10,1000
2,2,1769860804000,1769860805000,17,198.18.0.3,51003,198.51.100.2,25,0,0,0,0,........,0,1,100
3,10,1769860803250,1769860813750,6,2001:db8:100::1,51002,2001:db8:ffff::1,587,0,0,0,0,........,0,5,5000
"""
NFDUMP_TOKENS = """firstSeen,lastSeen,proto,srcAddr,dstAddr,srcPort,dstPort,flags,inPackets,inBytes,outPackets,outBytes,routerIP,fwdStatus
2026-01-31 21:00:00.900,2026-01-31 21:00:01.400,TCP,198.18.0.1,198.51.100.1,51000,25,...AP.SF,10,1000,8,900,192.0.2.7,64
"""
# nfdump 1.7.1 -o json, TZ=Asia/Tokyo
NFDUMP_JSON = """[
{
	"type" : "FLOW",
	"sampled" : 0,
	"export_sysid" : 1,
	"first" : "2026-01-31T21:00:00.900",
	"last" : "2026-01-31T21:00:01.400",
	"received" : "2026-11-24T15:24:10.703",
	"in_packets" : 10,
	"in_bytes" : 1000,
	"proto" : 6,
	"tcp_flags" : "...AP.SF",
	"src_port" : 51000,
	"dst_port" : 25,
	"src_tos" : 0,
	"src4_addr" : "198.18.0.1",
	"dst4_addr" : "198.51.100.1",
	"ip4_router" : "127.0.0.1",
	"label" : "<none>"
},
{
	"type" : "FLOW",
	"sampled" : 0,
	"export_sysid" : 1,
	"first" : "2026-01-31T21:00:04.000",
	"last" : "2026-01-31T21:00:05.000",
	"received" : "2026-11-24T15:24:10.703",
	"in_packets" : 1,
	"in_bytes" : 84,
	"proto" : 1,
	"icmp_type" : 8,
	"icmp_code" : 0,
	"src_tos" : 0,
	"src4_addr" : "198.18.0.4",
	"dst4_addr" : "198.51.100.2",
	"ip4_router" : "127.0.0.1",
	"label" : "<none>"
},
{
	"type" : "FLOW",
	"sampled" : 0,
	"export_sysid" : 1,
	"first" : "2026-01-31T21:00:03.250",
	"last" : "2026-01-31T21:00:13.750",
	"received" : "2026-11-24T15:24:10.705",
	"in_packets" : 5,
	"in_bytes" : 5000,
	"proto" : 6,
	"tcp_flags" : "........",
	"src_port" : 51002,
	"dst_port" : 587,
	"src_tos" : 0,
	"src6_addr" : "2001:db8:100::1",
	"dst6_addr" : "2001:db8:ffff::1",
	"ip4_router" : "127.0.0.1",
	"label" : "<none>"
}
]
"""
# Written after bin/output_json.c and bin/nfdump.c of nfdump 1.6 (2017 to 2019)
NFDUMP_JSON_16 = """[
{
	"type" : "FLOW",
	"sampled" : 0,
	"export_sysid" : 1,
	"t_first" : "2026-01-31T21:00:00.900",
	"t_last" : "2026-01-31T21:00:01.400",
	"proto" : 6,
	"src4_addr" : "198.18.0.1",
	"dst4_addr" : "198.51.100.1",
	"src_port" : 51000,
	"dst_port" : 25,
	"fwd_status" : 64,
	"tcp_flags" : "...AP.SF",
	"src_tos" : 0,
	"in_packets" : 10,
	"in_bytes" : 1000,
	"input_snmp" : 0,
	"output_snmp" : 0,
	"out_packets" : 8,
	"out_bytes" : 900,
	"ip4_router" : "127.0.0.1",
	"engine_type" : 0,
	"engine_id" : 0,
	"t_received" : "2026-11-24T15:24:10.3",
	"label" : "<none>"
}
,
{
	"type" : "FLOW",
	"sampled" : 0,
	"export_sysid" : 1,
	"t_first" : "2026-01-31T21:00:04.0",
	"t_last" : "2026-01-31T21:00:05.0",
	"proto" : 1,
	"src4_addr" : "198.18.0.4",
	"dst4_addr" : "198.51.100.2",
	"icmp_type" : 8,
	"icmp_code" : 0,
	"fwd_status" : 0,
	"tcp_flags" : "........",
	"src_tos" : 0,
	"in_packets" : 1,
	"in_bytes" : 84,
	"label" : "<none>"
}
,
{
	"type" : "FLOW",
	"sampled" : 0,
	"export_sysid" : 1,
	"t_first" : "2026-01-31T21:00:03.250",
	"t_last" : "2026-01-31T21:00:13.750",
	"proto" : 6,
	"src6_addr" : "2001:db8:100::1",
	"dst6_addr" : "2001:db8:ffff::1",
	"src_port" : 51002,
	"dst_port" : 587,
	"fwd_status" : 0,
	"tcp_flags" : "........",
	"src_tos" : 0,
	"in_packets" : 5,
	"in_bytes" : 5000,
	"ip6_router" : "2001:db8::7",
	"label" : "<none>"
}
]
"""
NFDUMP_NDJSON = (
    '{"type":"FLOW","export_sysid":1,"first":"2026-01-31T21:00:00.900","last":"2026-01-31T21:00:01.400",'
    '"received":"2026-11-24T15:24:10.703","in_packets":10,"in_bytes":1000,"proto":6,"tcp_flags":"...AP.SF",'
    '"src_port":51000,"dst_port":25,"fwd_status":64,"src_tos":0,"src4_addr":"198.18.0.1","dst4_addr":"198.51.100.1",'
    '"out_packets":8,"out_bytes":900,"ip4_router":"127.0.0.1","sampled":0}\n'
    '{"type":"FLOW","export_sysid":1,"first":"2026-01-31T21:00:04.000","last":"2026-01-31T21:00:05.000",'
    '"received":"2026-11-24T15:24:10.703","in_packets":9,"in_bytes":9,"proto":6,"tcp_flags":"...AP.SF",'
    '"src_port":51000,"dst_port":25,"src4_addr":"198.18.0.1","dst4_addr":"198.51.100.1"}\n'
)
SILK = """\
                                    sIP|                                    dIP|sPort|dPort|pro|   packets|     bytes|   flags|                  sTime| duration|                  eTime|sen|
                             198.18.0.1|                           198.51.100.1|51000|   25|  6|        10|      1000|FS PA   |2026/01/31T12:00:00.900|    0.500|2026/01/31T12:00:01.400|S0 |
                           198.51.100.1|                             198.18.0.1|   25|51000|  6|         1|        40|  R A   |2026/01/31T12:00:02.000|    0.000|2026/01/31T12:00:02.000|S0 |
                             198.18.0.3|                           198.51.100.2|51003|   25| 17|         1|       100|        |2026/01/31T12:00:04.000|    1.000|2026/01/31T12:00:05.000|S0 |
                        2001:db8:100::1|                       2001:db8:ffff::1|51002|  587|  6|         5|      5000|        |2026/01/31T12:00:03.250|   10.500|2026/01/31T12:00:13.750|S0 |
"""
SILK_DELIMITED = """eTime,dPort,sPort,dIP,sIP,protocol,bytes,packets,sTime
1769860801.400,25,51000,198.051.100.001,198.018.000.001,6,1000,10,1769860800.900
"""
# The first lines of this layout are those of CTU-13 (capture20110810.binetflow).
ARGUS = """StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label
2011/08/10 09:46:59.607825,1.026539,tcp,94.44.127.113,1577,   ->,147.32.84.59,25,S_RA,0,0,4,276,156,flow=Background-Established-cmpgw-CVUT
2011/08/10 09:46:53.058760,20.360268,tcp,147.32.3.93,25,  <?>,147.32.84.59,51790,FPA_FRPA,0,0,133,81929,67597,flow=Background
2011/08/10 09:47:00.000000,3.000000,tcp,147.32.84.165,0x0401,   ->,192.0.2.1,0x0019,S_,0,,3,186,186,flow=From-Botnet-V42-TCP-Attempt-SPAM
2011/08/10 09:47:01.000000,0.500000,udp,147.32.84.165,1025,  <->,147.32.80.9,53,CON,0,0,2,203,64,flow=From-Botnet-V42-UDP-DNS
2011/08/10 09:47:02.000000,0.000000,icmp,147.32.84.165,0x0303,   ->,192.0.2.1,0x3500,URP,192,,1,71,71,flow=Background
2011/08/10 09:47:03.000000,2.000000,tcp,147.32.84.165,1026,   ->,192.0.2.1,25,FSPA_FSPA,0,0,17,13184,12602,flow=From-Botnet-V42-TCP-Established
"""
# ra -n -u -r FILE -c , (Argus 3.0.8.2): words for states, no bytes split by the default fields
ARGUS_WORDS = """StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,SrcPkts,DstPkts
1795501748.910404,0.001547,man,0,0,,0,0,STA,,,0,0,0,0,0
1795501743.857166,0.000606,tcp,198.18.0.1,38099,   ->,198.51.100.1,smtp,FIN,0,0,11,3764,3404,6,5
1795501743.857628,0.000009,tcp,198.18.0.1,34127,   ->,198.51.100.9,smtp,RST,0,0,2,128,74,1,1
1795501743.857740,3.066587,tcp,198.18.0.1,45313,   ->,198.51.100.1,urd,REQ,0,,4,296,296,4,0
1795501747.861660,0.000229,tcp,198.18.0.1,46051,   ->,198.51.100.1,smtp,RST,0,0,9,3632,3338,5,4
"""
GOFLOW2 = (
    '{"type":"IPFIX","time_received_ns":1769860861000000000,"sequence_num":1,"sampling_rate":100,'
    '"sampler_address":"192.0.2.1","time_flow_start_ns":1769860800900000000,"time_flow_end_ns":1769860801400000000,'
    '"bytes":1000,"packets":10,"src_addr":"198.18.0.1","dst_addr":"198.51.100.1","etype":"IPv4","proto":"TCP",'
    '"src_port":51000,"dst_port":25,"in_if":1,"out_if":2,"forwarding_status":128,"tcp_flags":27}\n'
    '{"type":"SFLOW_5","time_received_ns":"2026-01-31T12:01:01.25Z","sequence_num":2,"sampling_rate":"1000",'
    '"sampler_address":"192.0.2.2","time_flow_start_ns":0,"time_flow_end_ns":0,"bytes":66,"packets":1,'
    '"src_addr":"198.18.0.2","dst_addr":"198.51.100.1","etype":"IPv4","proto":6,"src_port":"51001","dst_port":"25",'
    '"tcp_flags":2}\n'
    '{"type":"IPFIX","time_received_ns":1769860861000000000,"sequence_num":3,"sampling_rate":0,'
    '"sampler_address":"192.0.2.1","time_flow_start_ns":1769860800000000000,"time_flow_end_ns":1769860800000000000,'
    '"bytes":60,"packets":1,"src_addr":"198.18.0.2","dst_addr":"198.51.100.1","etype":"IPv4","proto":"UDP",'
    '"src_port":53,"dst_port":25,"tcp_flags":0}\n'
)
# nfacctd 1.7.7, TZ=Asia/Tokyo
PMACCT_CSV = """PEER_SRC_IP,SRC_IP,DST_IP,SRC_PORT,DST_PORT,TCP_FLAGS,PROTOCOL,SAMPLING_RATE,TIMESTAMP_START,TIMESTAMP_END,TIMESTAMP_ARRIVAL,PACKETS,BYTES
127.0.0.1,198.18.0.1,198.51.100.1,51000,25,27,tcp,0,2026-01-31 21:00:00.900000,2026-01-31 21:00:01.400000,2026-11-24 15:29:12.630406,10,1000
127.0.0.1,198.18.0.2,198.51.100.1,51001,25,2,tcp,100,2026-01-31 21:00:02.000000,0000-00-00 00:00:00.000000,2026-11-24 15:29:12.630634,1,40
127.0.0.1,198.18.0.3,198.51.100.2,51003,25,0,udp,0,2026-01-31 21:00:04.000000,2026-01-31 21:00:05.000000,2026-11-24 15:29:12.630636,1,100
127.0.0.1,2001:db8:100::1,2001:db8:ffff::1,51002,587,0,tcp,0,2026-01-31 21:00:03.250000,2026-01-31 21:00:13.750000,2026-11-24 15:29:12.830825,5,5000
"""
PMACCT_JSON = (
    '{"event_type": "purge", "peer_ip_src": "127.0.0.1", "ip_src": "198.18.0.1", "ip_dst": "198.51.100.1", "port_src": 51000, '
    '"port_dst": 25, "tcp_flags": "27", "ip_proto": "tcp", "sampling_rate": 0, "timestamp_start": '
    '"2026-01-31T21:00:00.900000+09:00", "timestamp_end": "2026-01-31T21:00:01.400000+09:00", "timestamp_arrival": '
    '"2026-11-24T15:29:12.630502+09:00", "packets": 10, "bytes": 1000}\n'
    '{"event_type": "purge", "peer_ip_src": "127.0.0.1", "ip_src": "198.18.0.3", "ip_dst": "198.51.100.2", "port_src": 51003, '
    '"port_dst": 443, "tcp_flags": "27", "ip_proto": "tcp", "sampling_rate": 0, "timestamp_start": '
    '"2026-01-31T21:00:04.000000+09:00", "timestamp_end": "2026-01-31T21:00:05.000000+09:00", "packets": 10, "bytes": 1000}\n'
)
ZEEK_FIELDS = [
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes",
    "resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes",
    "resp_pkts", "resp_ip_bytes", "tunnel_parents",
]
ZEEK_HEAD = ("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2026-01-31-12-00-00\n"
             "#fields\t" + "\t".join(ZEEK_FIELDS) + "\n#types\t" + "\t".join(["string"] * len(ZEEK_FIELDS)) + "\n")
ZEEK = ZEEK_HEAD + (
    "1769860800.900000\tC1\t198.18.0.1\t51000\t198.51.100.1\t25\ttcp\tsmtp\t0.500000\t480\t500\tSF\tT\tF\t0\tShAdDaFf\t10\t1000\t8\t900\t-\n"
    "1769860802.000000\tC2\t198.18.0.2\t51001\t198.51.100.1\t25\ttcp\t-\t-\t-\t-\tS0\tT\tF\t0\tS\t1\t40\t0\t0\t(empty)\n"
    "1769860803.000000\tC3\t198.18.0.2\t51004\t198.51.100.9\t25\ttcp\t-\t0.000100\t0\t0\tREJ\tT\tF\t0\tSr\t1\t40\t1\t40\t-\n"
    "1769860804.000000\tC4\t198.18.0.3\t51003\t198.51.100.2\t53\tudp\tdns\t0.1\t40\t80\tSF\tT\tF\t0\tDd\t1\t68\t1\t108\t-\n"
    "1769860805.000000\tC5\t198.18.0.5\t51005\t198.51.100.1\t25\ttcp\t-\t1.0\t0\t90\tOTH\tT\tF\t0\tC\t1\t40\t1\t40\t-\n"
    "#close\t2026-01-31-13-00-00\n"
)
ZEEK_JSON = (
    '{"ts":1769860800.900001,"uid":"C1","id.orig_h":"198.18.0.1","id.orig_p":51000,"id.resp_h":"198.51.100.1","id.resp_p":25,'
    '"proto":"tcp","service":"smtp","duration":0.5,"conn_state":"SF","missed_bytes":0,"history":"ShAdDaFf","orig_pkts":10,'
    '"orig_ip_bytes":1000,"resp_pkts":8,"resp_ip_bytes":900}\n'
    '{"ts":"2026-01-31T12:00:02.000000Z","uid":"C2","id.orig_h":"198.18.0.2","id.orig_p":51001,"id.resp_h":"198.51.100.1",'
    '"id.resp_p":25,"proto":"tcp","conn_state":"S0","missed_bytes":0,"history":"S","orig_pkts":1,"orig_ip_bytes":40,'
    '"resp_pkts":0,"resp_ip_bytes":0}\n'
)
OWN_CSV = """first_seen,last_seen,src_ip,dst_ip,src_port,dst_port,protocol,packets,bytes
2026-01-31T12:00:00.900Z,2026-01-31T12:00:01.400Z,198.18.0.1,198.51.100.1,51000,25,tcp,10,1000
"""


def parquet(columns: dict[str, object]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


TEXT = {
    "nfdump-csv 48": ("nfdump-csv", NFDUMP_48), "nfdump-csv 10": ("nfdump-csv", NFDUMP_10),
    "nfdump-csv fast": ("nfdump-csv", NFDUMP_FAST), "nfdump-csv tokens": ("nfdump-csv", NFDUMP_TOKENS),
    "nfdump-json": ("nfdump-json", NFDUMP_JSON), "nfdump-json nd": ("nfdump-json", NFDUMP_NDJSON),
    "nfdump-json 1.6": ("nfdump-json", NFDUMP_JSON_16),
    "silk": ("silk", SILK), "silk delimited": ("silk", SILK_DELIMITED),
    "argus": ("argus", ARGUS), "argus words": ("argus", ARGUS_WORDS), "goflow2": ("goflow2", GOFLOW2),
    "pmacct csv": ("pmacct", PMACCT_CSV), "pmacct json": ("pmacct", PMACCT_JSON),
    "zeek": ("zeek", ZEEK), "zeek json": ("zeek", ZEEK_JSON), "csv": ("csv", OWN_CSV),
}
