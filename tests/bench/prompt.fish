# prompt.fish HOOK COUNT MODE: draw COUNT prompts; MODE is none, hook, or forget (the hook, its memory lost each time).
set hook $argv[1]
set count $argv[2]
set mode $argv[3]
function fish_prompt
    printf '%s> ' $PWD
end
function fish_right_prompt
end
test $mode = none; or source $hook
set i 0
while test $i -lt $count
    set i (math $i + 1)
    test $mode = forget; and set _vibeusage_looked 0
    emit fish_prompt
    fish_prompt
    fish_right_prompt
end
test $mode = none -o $count = 0 -o -n "$VIBEUSAGE_SEGMENT"
exit
