/* What --help says. */
#ifndef DCD_TOOLS_REPO_HELP_H
#define DCD_TOOLS_REPO_HELP_H

extern const char repo_help_main[];
extern const char repo_help_init[];
extern const char repo_help_release[];
extern const char repo_help_plan[];
extern const char repo_help_work[];
extern const char repo_help_refresh[];
extern const char repo_help_rotate[];
extern const char repo_help_delegate[];
extern const char repo_help_check[];
extern const char repo_help_list[];
extern const char repo_help_bundle[];
extern const char repo_help_extract[];

#endif
