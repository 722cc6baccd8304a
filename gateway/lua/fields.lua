-- Written by `make generate` from protos/: the fields that each JSON call reads, by its method and
-- its path up to the user. A field is found by each of its spellings. `list` means that it is
-- repeated. `of` are the fields of its message; a scalar has none.
local messages = {
  ["levelgate.access.v1.GetAccessTokenRequest"] = {
    ["appid"] = { name = "appid" },
    ["app_secret"] = { name = "app_secret" },
    ["grant_type"] = { name = "grant_type" },
  },
  ["levelgate.access.v1.RefreshTokenRequest"] = {
    ["appid"] = { name = "appid" },
    ["refresh_token"] = { name = "refresh_token" },
    ["grant_type"] = { name = "grant_type" },
  },
  ["levelgate.member.v1.AddPointsRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
    ["delta"] = { name = "delta" },
    ["billNo"] = { name = "billNo" },
    ["bill_no"] = { name = "billNo" },
    ["expectedVersion"] = { name = "expectedVersion" },
    ["expected_version"] = { name = "expectedVersion" },
  },
  ["levelgate.member.v1.CreateRuleRequest"] = {
    ["vipLevel"] = { name = "vipLevel" },
    ["vip_level"] = { name = "vipLevel" },
    ["name"] = { name = "name" },
    ["downPoint"] = { name = "downPoint" },
    ["down_point"] = { name = "downPoint" },
    ["upPoint"] = { name = "upPoint" },
    ["up_point"] = { name = "upPoint" },
    ["picUrl"] = { name = "picUrl" },
    ["pic_url"] = { name = "picUrl" },
  },
  ["levelgate.member.v1.DeleteRuleRequest"] = {
    ["id"] = { name = "id" },
  },
  ["levelgate.member.v1.DeleteUserRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
  },
  ["levelgate.member.v1.GetLevelAtRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
    ["time"] = { name = "time" },
  },
  ["levelgate.member.v1.GetRuleBookRequest"] = {
    ["version"] = { name = "version" },
  },
  ["levelgate.member.v1.InitUserRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
  },
  ["levelgate.member.v1.LevelDownRequest"] = {
  },
  ["levelgate.member.v1.ListAtRiskRequest"] = {
    ["points"] = { name = "points" },
    ["pageSize"] = { name = "pageSize" },
    ["page_size"] = { name = "pageSize" },
    ["cursor"] = { name = "cursor" },
  },
  ["levelgate.member.v1.ListHistoryRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
  },
  ["levelgate.member.v1.ListRulesRequest"] = {
  },
  ["levelgate.member.v1.PlanDemotionRequest"] = {
    ["sampleSize"] = { name = "sampleSize" },
    ["sample_size"] = { name = "sampleSize" },
  },
  ["levelgate.member.v1.PreviewRulesRequest"] = {
    ["rules"] = { name = "rules", list = true, of = "levelgate.member.v1.ProposedRule" },
  },
  ["levelgate.member.v1.ProposedRule"] = {
    ["vipLevel"] = { name = "vipLevel" },
    ["vip_level"] = { name = "vipLevel" },
    ["downPoint"] = { name = "downPoint" },
    ["down_point"] = { name = "downPoint" },
    ["upPoint"] = { name = "upPoint" },
    ["up_point"] = { name = "upPoint" },
  },
  ["levelgate.member.v1.ShowUserRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
  },
  ["levelgate.member.v1.UpdateRuleRequest"] = {
    ["id"] = { name = "id" },
    ["vipLevel"] = { name = "vipLevel" },
    ["vip_level"] = { name = "vipLevel" },
    ["name"] = { name = "name" },
    ["downPoint"] = { name = "downPoint" },
    ["down_point"] = { name = "downPoint" },
    ["upPoint"] = { name = "upPoint" },
    ["up_point"] = { name = "upPoint" },
    ["picUrl"] = { name = "picUrl" },
    ["pic_url"] = { name = "picUrl" },
  },
  ["levelgate.member.v1.UpdateUserRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
    ["vipLevel"] = { name = "vipLevel" },
    ["vip_level"] = { name = "vipLevel" },
    ["partnerId"] = { name = "partnerId" },
    ["partner_id"] = { name = "partnerId" },
  },
  ["levelgate.member.v1.UpgradeUserRequest"] = {
    ["userId"] = { name = "userId" },
    ["user_id"] = { name = "userId" },
    ["point"] = { name = "point" },
  },
  ["levelgate.shop.v1.GetMemberLevelsRequest"] = {
    ["i"] = { name = "i" },
    ["uid"] = { name = "uid" },
  },
  ["levelgate.upbot.v1.CheckGameInfoRequest"] = {
    ["openid"] = { name = "openid" },
    ["game_code"] = { name = "game_code" },
    ["area_id"] = { name = "area_id" },
    ["plat_id"] = { name = "plat_id" },
    ["partition_id"] = { name = "partition_id" },
    ["role_name"] = { name = "role_name" },
    ["game_check_info_id"] = { name = "game_check_info_id" },
    ["xinyue_codes"] = { name = "xinyue_codes", list = true },
    ["compare_info"] = { name = "compare_info", of = "levelgate.upbot.v1.CompareInfo" },
  },
  ["levelgate.upbot.v1.CheckStarStateRequest"] = {
    ["openid"] = { name = "openid" },
    ["gids"] = { name = "gids", list = true },
    ["gid"] = { name = "gids", list = true },
    ["device"] = { name = "device" },
  },
  ["levelgate.upbot.v1.CheckUserXYLevelRequest"] = {
    ["openid"] = { name = "openid" },
    ["levels"] = { name = "levels", list = true },
    ["level"] = { name = "levels", list = true },
  },
  ["levelgate.upbot.v1.CompareInfo"] = {
    ["compare_type"] = { name = "compare_type" },
    ["value"] = { name = "value" },
    ["rvalue"] = { name = "rvalue" },
  },
  ["levelgate.upbot.v1.Condition"] = {
    ["all"] = { name = "all", of = "levelgate.upbot.v1.ConditionList" },
    ["any"] = { name = "any", of = "levelgate.upbot.v1.ConditionList" },
    ["not"] = { name = "not", of = "levelgate.upbot.v1.Condition" },
    ["negated"] = { name = "not", of = "levelgate.upbot.v1.Condition" },
    ["level_in"] = { name = "level_in", of = "levelgate.upbot.v1.LevelIn" },
    ["level_at_least"] = { name = "level_at_least" },
    ["points"] = { name = "points", of = "levelgate.upbot.v1.CompareInfo" },
    ["star"] = { name = "star", of = "levelgate.upbot.v1.StarLit" },
    ["game_info"] = { name = "game_info", of = "levelgate.upbot.v1.GameInfoIs" },
  },
  ["levelgate.upbot.v1.ConditionList"] = {
    ["conditions"] = { name = "conditions", list = true, of = "levelgate.upbot.v1.Condition" },
  },
  ["levelgate.upbot.v1.EligibilityBatchCheckRequest"] = {
    ["openids"] = { name = "openids", list = true },
    ["condition"] = { name = "condition", of = "levelgate.upbot.v1.Condition" },
    ["detail"] = { name = "detail" },
    ["explain"] = { name = "explain" },
    ["min_versions"] = { name = "min_versions", list = true, of = "levelgate.upbot.v1.MinVersion" },
  },
  ["levelgate.upbot.v1.EligibilityCheckRequest"] = {
    ["openid"] = { name = "openid" },
    ["condition"] = { name = "condition", of = "levelgate.upbot.v1.Condition" },
    ["explain"] = { name = "explain" },
    ["min_version"] = { name = "min_version" },
  },
  ["levelgate.upbot.v1.GameInfoIs"] = {
    ["game_code"] = { name = "game_code" },
    ["area_id"] = { name = "area_id" },
    ["plat_id"] = { name = "plat_id" },
    ["partition_id"] = { name = "partition_id" },
    ["role_name"] = { name = "role_name" },
    ["game_check_info_id"] = { name = "game_check_info_id" },
    ["xinyue_codes"] = { name = "xinyue_codes", list = true },
    ["compare_info"] = { name = "compare_info", of = "levelgate.upbot.v1.CompareInfo" },
  },
  ["levelgate.upbot.v1.LevelIn"] = {
    ["levels"] = { name = "levels", list = true },
  },
  ["levelgate.upbot.v1.MinVersion"] = {
    ["openid"] = { name = "openid" },
    ["version"] = { name = "version" },
  },
  ["levelgate.upbot.v1.StarLit"] = {
    ["gids"] = { name = "gids", list = true },
    ["device"] = { name = "device" },
  },
}

for _, fields in pairs(messages) do
  for _, field in pairs(fields) do field.of = messages[field.of] end
end

return {
  ["POST /upbot/api/auth/GetAccessToken"] = messages["levelgate.access.v1.GetAccessTokenRequest"],
  ["POST /upbot/api/auth/RefreshToken"] = messages["levelgate.access.v1.RefreshTokenRequest"],
  ["POST /leveldown/plan"] = messages["levelgate.member.v1.PlanDemotionRequest"],
  ["GET /leveldown/atRisk"] = messages["levelgate.member.v1.ListAtRiskRequest"],
  ["GET /userlevel/history/"] = messages["levelgate.member.v1.ListHistoryRequest"],
  ["GET /userlevel/at/"] = messages["levelgate.member.v1.GetLevelAtRequest"],
  ["GET /userlevel/"] = messages["levelgate.member.v1.InitUserRequest"],
  ["GET /upgrade/userlevel/"] = messages["levelgate.member.v1.UpgradeUserRequest"],
  ["DELETE /userlevel/"] = messages["levelgate.member.v1.DeleteUserRequest"],
  ["POST /userlevel/"] = messages["levelgate.member.v1.UpdateUserRequest"],
  ["POST /userlevel/show/"] = messages["levelgate.member.v1.ShowUserRequest"],
  ["POST /vipBiz"] = messages["levelgate.member.v1.CreateRuleRequest"],
  ["DELETE /vipBiz"] = messages["levelgate.member.v1.DeleteRuleRequest"],
  ["POST /vipBiz/update"] = messages["levelgate.member.v1.UpdateRuleRequest"],
  ["GET /show"] = messages["levelgate.member.v1.ListRulesRequest"],
  ["GET /leveldown"] = messages["levelgate.member.v1.LevelDownRequest"],
  ["POST /userlevel/points/"] = messages["levelgate.member.v1.AddPointsRequest"],
  ["POST /vipBiz/preview"] = messages["levelgate.member.v1.PreviewRulesRequest"],
  ["GET /vipBiz/version"] = messages["levelgate.member.v1.GetRuleBookRequest"],
  ["GET /shop/member.member-level.index"] = messages["levelgate.shop.v1.GetMemberLevelsRequest"],
  ["POST /upbot/api/CheckUserXYLevel"] = messages["levelgate.upbot.v1.CheckUserXYLevelRequest"],
  ["POST /upbot/api/CheckStarState"] = messages["levelgate.upbot.v1.CheckStarStateRequest"],
  ["POST /upbot/api/CheckGameInfo"] = messages["levelgate.upbot.v1.CheckGameInfoRequest"],
  ["POST /upbot/api/CheckEligibility"] = messages["levelgate.upbot.v1.EligibilityCheckRequest"],
  ["POST /upbot/api/BatchCheckEligibility"] = messages["levelgate.upbot.v1.EligibilityBatchCheckRequest"],
}
