{{/* What every pod has in common, as the restricted pod security standard wants it. */}}

{{/* The upper part of a pod's spec. Takes `root`. */}}
{{- define "loki-ops.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ int64 .root.Values.runAsUser }}
  runAsGroup: {{ int64 .root.Values.runAsUser }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* The container's part that all have. Takes `root`, `component`. */}}
{{- define "loki-ops.container" -}}
image: {{ include "loki-ops.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  {{- include "loki-ops.environment" . | nindent 2 }}
volumeMounts:
  - name: settings
    mountPath: /etc/loki
    readOnly: true
  - name: tmp
    mountPath: /tmp
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Takes `root` and the name of the ConfigMap, `settings`. */}}
{{- define "loki-ops.volumes" -}}
- name: settings
  configMap:
    name: {{ .settings }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
